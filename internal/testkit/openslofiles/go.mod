// This module is never built. It requires OpenSLO's SDK for the example files inside, which tests of internal/convert
// read from the module cache.
module github.com/assayer-io/assayer/internal/testkit/openslofiles

go 1.26.0

require github.com/OpenSLO/go-sdk v0.9.2
