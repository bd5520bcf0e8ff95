package journal

import (
	"encoding/binary"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/money"
)

const benchTx = 1000

// benchRef is as uniform as the hashes that refs are.
func benchRef(n int) (r Ref) {
	h := uint64(n+1) * 0x9e3779b97f4a7c15
	binary.LittleEndian.PutUint64(r[:], h^h>>29)
	binary.LittleEndian.PutUint32(r[8:], uint32(n))
	return r
}

func benchRecord(n int) Record {
	return Record{
		Refs: [3]Ref{benchRef(n)}, Lane: 3, State: 1, Amount: money.Minor{Lo: uint64(n)}, Value: int64(n),
		ReceivedMs: 1_800_000_000_000 + int64(n), DeadlineMs: 1_800_000_010_000 + int64(n), TimerMs: 1_800_000_010_000 + int64(n),
	}
}

func openBench(b *testing.B) *Journal {
	b.Helper()
	j, err := Open(b.TempDir(), Options{})
	check(b, err)
	b.Cleanup(func() { check(b, j.Close()) })
	return j
}

func insertBench(b *testing.B, j *Journal, from, to int) {
	b.Helper()
	for n := from; n < to; {
		tx := j.Begin()
		for range min(benchTx, to-n) {
			if _, err := tx.Insert(benchRecord(n)); err != nil {
				b.Fatal(err)
			}
			n++
		}
		check(b, tx.Commit())
	}
}

func settleBench(b *testing.B, j *Journal, from, to int, ref func(n int) Ref) {
	b.Helper()
	for n := from; n < to; {
		tx := j.Begin()
		for range min(benchTx, to-n) {
			s, ok, err := tx.Find(ref(n))
			if err != nil || !ok {
				b.Fatalf("record %d: %t %v", n, ok, err)
			}
			r, err := tx.Read(s)
			if err != nil {
				b.Fatal(err)
			}
			r.State, r.TimerMs = 2, r.TimerMs+48*3600_000
			if err := tx.Update(s, r); err != nil {
				b.Fatal(err)
			}
			n++
		}
		check(b, tx.Commit())
	}
}

// BenchmarkOpenSettle writes every record twice, 1,000 records a transaction: new, and found, read and changed a
// hundred transactions later. An operation is one record write, its share of the fsync included.
func BenchmarkOpenSettle(b *testing.B) {
	const lag = 100 * benchTx
	j := openBench(b)
	longest := time.Duration(0)
	b.ReportAllocs()
	b.ResetTimer()
	records, cpu := b.N/2, cpuTime(b)
	for n := 0; n < records+lag; n += benchTx {
		start := time.Now()
		if n < records {
			insertBench(b, j, n, min(n+benchTx, records))
		}
		if n >= lag {
			settleBench(b, j, n-lag, min(n-lag+benchTx, records), benchRef)
		}
		longest = max(longest, time.Since(start))
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-pair")
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime is the processor time of the process so far: what counts on a machine that has other things to do.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMillions fills a journal with ten million records of one ref and a timer each, and reports the memory
// that takes, how long it takes to open it anew, and what a change of a random record costs then.
func BenchmarkMillions(b *testing.B) {
	const records = 10_000_000
	dir := b.TempDir()
	j, err := Open(dir, Options{})
	check(b, err)
	cpu := cpuTime(b)
	insertBench(b, j, 0, records)
	insert := cpuTime(b) - cpu
	filled, heap := resident(b), heapInUse()
	check(b, j.Close())
	debug.FreeOSMemory()
	start, cpu := time.Now(), cpuTime(b)
	j, err = Open(dir, Options{})
	check(b, err)
	open, openCPU, opened := time.Since(start), cpuTime(b)-cpu, resident(b)
	b.ResetTimer()
	cpu = cpuTime(b)
	settleBench(b, j, 0, b.N, func(n int) Ref { return benchRef(n * 7_654_321 % records) })
	b.StopTimer()
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(insert.Nanoseconds())/records, "cpu-ns/insert")
	b.ReportMetric(open.Seconds(), "s/open")
	b.ReportMetric(openCPU.Seconds(), "cpu-s/open")
	b.ReportMetric(heap, "MiB-heap")
	b.ReportMetric(filled, "MiB-resident-filled")
	b.ReportMetric(opened, "MiB-resident-opened")
	b.ReportMetric(resident(b), "MiB-resident-changed")
	check(b, j.Close())
}

// resident is the memory of the process in MiB; 0 where the system does not tell.
func resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			check(b, err)
			return kib / 1024
		}
	}
	return 0
}

// heapInUse is the heap that Go's collector looks after, in MiB.
func heapInUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse) / (1 << 20)
}
