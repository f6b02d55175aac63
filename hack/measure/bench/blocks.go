package main

import (
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/pipeline"
)

const (
	// uploadBlock is about the bytes of a block that is sent.
	uploadBlock = 8 << 20
	// uploadBlocks is how many different blocks there are: as many as an upload
	// has on their way at most.
	uploadBlocks = 4
)

// uploadRows make a block as large as that of all columns of a table of patients.
var uploadRows = (uploadBlock - block.SizeBound(0, len(patientColumns))) / (len(patientColumns) * fingerprint.TokenSize)

// randomBlocks are what is sent again and again.
func randomBlocks() ([]*operator.Block, error) {
	id, err := pipeline.KeyID([]byte(storeKey), storeName)
	if err != nil {
		return nil, err
	}
	keyID, err := fingerprint.ParseKeyID(id)
	if err != nil {
		return nil, err
	}
	blocks := make([]*operator.Block, uploadBlocks)
	for i := range blocks {
		if blocks[i], err = operator.NewBlock(storeName, keyID, namesOf(patientColumns), uploadRows, byte(i)); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// ownBlock is what a connection sends at its turn: each has some blocks of its own
// to number, so that all are in use whatever the number of connections.
func ownBlock(data []*operator.Block, connection, connections, turn int) *operator.Block {
	own := (len(data) - connection + connections - 1) / connections
	return data[connection+connections*(turn%own)]
}
