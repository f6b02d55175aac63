package pipeline

// FewestRows is the least number of rows of a table that replaces one with live rows and may
// have at most maxDecreasePercent fewer.
func FewestRows(live int64, maxDecreasePercent int32) int64 {
	return live - live*int64(maxDecreasePercent)/100
}
