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

	// buckets hold the records without a tenant, and what the store says of itself.
	buckets = [][]byte{storesBucket, sessionsBucket, agentsBucket, requestsBucket, tombsBucket, metaBucket}

	secretKey   = []byte("sas")
	identityKey = []byte("identity")
	stampKey    = []byte("stamp")
	probeKey    = []byte("probe")
)

// tenantPrefix makes the name of a bucket that of the bucket beside it, which has the
// same records of tenants. It is made with the first of these, so that an earlier
// build refuses a database that has any. There a key is the tenant's name, a zero
// byte, and the key that the record has otherwise.
const tenantPrefix = "tenant-"

// afterName follows a tenant's name in a key. No name has it.
const afterName = '\x00'

// tenantBuckets are those that records of tenants lie in.
var tenantBuckets = func() (all [][]byte) {
	for _, name := range [][]byte{storesBucket, sessionsBucket, agentsBucket, requestsBucket, tombsBucket} {
		all = append(all, tenantBucket(name))
	}
	return all
}()

func tenantBucket(name []byte) []byte { return append([]byte(tenantPrefix), name...) }
