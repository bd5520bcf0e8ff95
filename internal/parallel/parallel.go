// Package parallel does independent pieces of work side by side.
//
//	parallel.Do(len(files), func(i int) { parsed[i] = parse(files[i]) })
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Do calls work for 0 to n-1, each once, on as many goroutines as Go runs at the same time, and returns when all calls
// have. Each call has to keep to what is its own.
func Do(n int, work func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				work(int(i))
			}
		})
	}
	wg.Wait()
}
