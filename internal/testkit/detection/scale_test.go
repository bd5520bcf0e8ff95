//go:build !race

package detection

// How much the tests run. The race detector makes all of it ten times slower and looks for other mistakes.
const (
	monthsTested    = 5
	seedsCompared   = 3
	seedsOfFew      = 21
	outagesTested   = 101
	outagesOfEach   = 10
	spikesTested    = 20
	daysOfFirings   = 5
	familiesCovered = 1 // every family
)
