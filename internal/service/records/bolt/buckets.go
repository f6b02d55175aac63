package bolt

// Buckets of the database. Keys are ids; values are JSON but for those of requests,
// tombstones and meta.
var (
	storesBucket   = []byte("stores")
	sessionsBucket = []byte("sessions")
	agentsBucket   = []byte("agents")
	requestsBucket = []byte("replays")
	tombsBucket    = []byte("dropped")
	metaBucket     = []byte("meta")

	buckets = [][]byte{storesBucket, sessionsBucket, agentsBucket, requestsBucket, tombsBucket, metaBucket}

	secretKey   = []byte("sas")
	identityKey = []byte("identity")
	stampKey    = []byte("stamp")
	probeKey    = []byte("probe")
)
