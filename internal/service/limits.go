package service

import "time"

// What callers may say and keep, and have the service hold in memory.
const (
	maxMessage     = 1000    // bytes of a refusal, which may repeat the caller
	maxRequestBody = 1 << 20 // bytes of a call that is not an upload
	maxRequestID   = 128
	maxDescription = 1024 // bytes
	maxDelimiters  = 64   // of a column
	maxOwner       = 253  // bytes of each part of an owner
	maxBlocks      = 50_000
	// maxStaged are the blocks of one session that may lie there unsealed, as many
	// as Azure's: twice what a list may have, so that an upload of changed content
	// is told so and not stopped.
	maxStaged = 2 * maxBlocks
	// firstBytes of a body come before memory is taken for all of it: a caller that
	// sends nothing holds nothing.
	firstBytes = 64 << 10
	// listMemory is about what reading or writing the longest block list takes.
	listMemory = 32 << 20
	// uploadPatience is how long a block waits for memory. It is shorter than what
	// our client waits for an answer.
	uploadPatience = 20 * time.Second
	// sweepInterval is how often sessions are looked at for expiry.
	sweepInterval = 15 * time.Second
)
