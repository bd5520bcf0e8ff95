//go:build race

package detection

const (
	monthsTested    = 1
	seedsCompared   = 1
	seedsOfFew      = 21
	outagesTested   = 15
	outagesOfEach   = 1
	spikesTested    = 2
	daysOfFirings   = 2
	familiesCovered = 4 // every fourth
)
