package hooks

// Wait returns once no call is under way. Replay waits for each call, so that what it tells does not
// depend on the order in which goroutines run.
func (q *Queue) Wait() { q.calls.Wait() }
