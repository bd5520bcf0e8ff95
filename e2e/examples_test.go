//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/testkit/servers"
)

// plus and minus make the terms of a count.
func plus(line string) term  { return term{1, line} }
func minus(line string) term { return term{-1, line} }

// latency counts the events of a classic histogram: good up to the bound le.
func latency(histogram, labels, le string) count {
	within, all := plus(histogram+`_bucket\{`+labels+`,?le="`+le+`"\}`), histogram+`_count(?:\{`+labels+`\})?`
	return count{good: []term{within}, bad: []term{plus(all), minus(within.line)}}
}

const queryHandler = `handler="/api/v1/query(?:_range)?"`

func prometheusCounts() map[string]count {
	const requests = `prometheus_http_requests_total`
	failed := requests + `\{code="5..",` + queryHandler + `\}`
	return map[string]count{
		"prometheus-query-errors": {
			good: []term{plus(requests + `\{code="...",` + queryHandler + `\}`), minus(failed)},
			bad:  []term{plus(failed)},
		},
		"prometheus-query-latency": latency("prometheus_http_request_duration_seconds", queryHandler, "0.4"),
	}
}

// askPrometheus sends good queries, queries that are no PromQL, slow ones and ones whose time is over
// before they begin, and returns how many there were and how many were answered 5xx.
func askPrometheus(t *testing.T, s *servers.Server, rounds int) (all, failed float64) {
	t.Helper()
	slow := "query=" + url.QueryEscape("sum_over_time(vector(1)[1h:2ms])")
	for range rounds {
		for query, want := range map[string]int{
			"/api/v1/query?query=up":                                       http.StatusOK,
			"/api/v1/query?query=up&time=0":                                http.StatusOK,
			"/api/v1/query_range?query=up&start=0&end=60&step=15":          http.StatusOK,
			"/api/v1/query?query=up{":                                      http.StatusBadRequest,
			"/api/v1/query?" + slow:                                        http.StatusOK,
			"/api/v1/query?query=up&timeout=-1":                            http.StatusServiceUnavailable,
			"/api/v1/query_range?query=up&start=0&end=6&step=1&timeout=-1": http.StatusServiceUnavailable,
		} {
			if got := send(t, http.MethodGet, s.URL(query), ""); got != want {
				t.Fatalf("%s is answered %d, want %d", query, got, want)
			}
			all++
			if want >= 500 {
				failed++
			}
		}
	}
	return all, failed
}

func TestPrometheus(t *testing.T) {
	t.Parallel()
	server := servers.StartPrometheus(t, "{}")
	r := watch(t, "prometheus", server, map[string]string{"localhost:9090": ""})

	all, failed := askPrometheus(t, server, 5)
	events := r.mustEqual(t, prometheusCounts())
	if got := events["prometheus-query-errors"]; got != [2]float64{all - failed, failed} {
		t.Errorf("the server counts %v good and bad queries, %v and %v were sent", got, all-failed, failed)
	}
	if got := events["prometheus-query-latency"]; got[0]+got[1] != all {
		t.Errorf("the server timed %v queries, %v were sent", got[0]+got[1], all)
	}

	// A second outage comes on top of the first.
	_, again := askPrometheus(t, server, 2)
	if got := r.mustEqual(t, prometheusCounts())["prometheus-query-errors"][1]; got != failed+again {
		t.Errorf("the server counts %v failed queries, %v were sent", got, failed+again)
	}
}

// receiver is who Alertmanager notifies. The first path element of the address says how it behaves.
func receiver(t *testing.T) (address string, answered *atomic.Int64) {
	t.Helper()
	answered = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer answered.Add(1)
		switch {
		case strings.HasPrefix(r.URL.Path, "/refuses"):
			w.WriteHeader(http.StatusBadRequest) // which Alertmanager does not try again
		case strings.HasPrefix(r.URL.Path, "/slow"):
			timer := time.NewTimer(5200 * time.Millisecond)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, answered
}

func TestAlertmanager(t *testing.T) {
	t.Parallel()
	hook, answered := receiver(t)
	// An interval of an hour: what has failed is not sent again while the test counts.
	server := servers.StartAlertmanager(t, fmt.Sprintf(`
route:
  receiver: takes
  group_by: [alertname]
  group_wait: 10ms
  group_interval: 1h
  routes:
    - {matchers: [way="refuses"], receiver: refuses}
    - {matchers: [way="slow"], receiver: slow}
receivers:
  - {name: takes, webhook_configs: [{url: "%[1]s/takes"}]}
  - {name: refuses, webhook_configs: [{url: "%[1]s/refuses"}]}
  - {name: slow, webhook_configs: [{url: "%[1]s/slow"}]}
`, hook))
	r := watch(t, "alertmanager", server, map[string]string{"localhost:9093": ""})

	sent := map[string]int{"takes": 11, "refuses": 4, "slow": 3}
	for way, n := range sent {
		for i := range n {
			alert := fmt.Sprintf(`[{"labels":{"alertname":"%s-%d","way":"%s"}}]`, way, i, way)
			if code := send(t, http.MethodPost, server.URL("/api/v2/alerts"), alert); code != http.StatusOK {
				t.Fatalf("an alert is answered %d", code)
			}
		}
	}
	const invalid = 2
	for range invalid {
		if code := send(t, http.MethodPost, server.URL("/api/v2/alerts"), `[{"labels":{}}]`); code != http.StatusBadRequest {
			t.Fatalf("an alert without labels is answered %d", code)
		}
	}
	eventually(t, func(context.Context) error {
		if n := answered.Load(); n < 18 {
			return fmt.Errorf("%d of 18 notifications were answered", n)
		}
		return nil
	})

	const failed, invalids = `alertmanager_notifications_failed_total\{.*\}`, `alertmanager_alerts_invalid_total\{.*\}`
	events := r.mustEqual(t, map[string]count{
		"alertmanager-notifications": {
			good: []term{plus(`alertmanager_notifications_total\{.*\}`), minus(failed)},
			bad:  []term{plus(failed)},
		},
		"alertmanager-notification-latency": latency("alertmanager_notification_latency_seconds", `integration="[a-z]+"`, "5"),
		"alertmanager-alerts-accepted": {
			good: []term{plus(`alertmanager_alerts_received_total\{.*\}`), minus(invalids)},
			bad:  []term{plus(invalids)},
		},
	})
	for name, want := range map[string][2]float64{
		"alertmanager-notifications":        {14, 4},
		"alertmanager-notification-latency": {15, 3},
		"alertmanager-alerts-accepted":      {18, invalid},
	} {
		if events[name] != want {
			t.Errorf("%s: the server counts %v good and bad, the test made %v", name, events[name], want)
		}
	}
}

func TestEtcd(t *testing.T) {
	t.Parallel()
	// A quota that a few values use up: the outage that etcd is known for.
	server := servers.StartEtcd(t, "--quota-backend-bytes", "262144")
	r := watch(t, "etcd", server, map[string]string{"localhost:2379": "", "timeSliceWindow: 1m": "timeSliceWindow: 5s"})

	// A client's own mistakes are no failures of etcd.
	var good, bad float64
	for request, body := range map[string]string{"compaction": `{"revision":"99999"}`, "put": `{}`} {
		if code := send(t, http.MethodPost, server.URL("/v3/kv/"+request), body); code != http.StatusBadRequest {
			t.Fatalf("%s of %s is answered %d", request, body, code)
		}
		good++
	}
	value := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("v", 16<<10)))
	// etcd learns how large its file is a moment after it has grown, so how many writes fit is not known.
	for i := 0; i < 60 || bad < 2 && i < 5000; i++ {
		key := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "key-%d", i))
		code := send(t, http.MethodPost, server.URL("/v3/kv/put"), fmt.Sprintf(`{"key":"%s","value":"%s"}`, key, value))
		if code == http.StatusOK {
			good++
		} else {
			bad++
		}
	}
	if good < 2 || bad < 2 {
		t.Fatalf("%v writes succeeded and %v failed, want both", good, bad)
	}
	failed := `grpc_server_handled_total\{grpc_code="(?:Unknown|DeadlineExceeded|ResourceExhausted|Internal|Unavailable|DataLoss)",.*grpc_service="etcdserverpb.KV".*\}`
	events := r.mustEqual(t, map[string]count{
		"etcd-requests": {
			good: []term{plus(`grpc_server_handled_total\{.*grpc_service="etcdserverpb.KV".*\}`), minus(failed)},
			bad:  []term{plus(failed)},
		},
		"etcd-wal-fsync": latency("etcd_disk_wal_fsync_duration_seconds", "", "0.008"),
	})
	if got := events["etcd-requests"]; got != [2]float64{good, bad} {
		t.Errorf("the server counts %v good and bad calls, %v and %v were made", got, good, bad)
	}
	if got := events["etcd-wal-fsync"]; got[0]+got[1] == 0 {
		t.Error("etcd has flushed nothing")
	}
	eventually(t, func(ctx context.Context) error {
		found, err := r.statuses(ctx)
		if err != nil {
			return err
		}
		leader := found["etcd-leader"]
		if leader.Events.Bad != 0 {
			t.Errorf("%v slices are bad, and there was a leader all the time", leader.Events.Bad)
		}
		if leader.Events.Good == 0 {
			return fmt.Errorf("no slice with a leader has been counted: %+v", leader)
		}
		return nil
	})
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	pg := servers.StartPostgres(t)
	if _, err := pg.SQL(t, "postgres", "CREATE DATABASE shop"); err != nil {
		t.Fatal(err)
	}
	exporter := servers.StartPostgresExporter(t, pg)
	// The exporter needs a second to find out that the server is away, so looks get two.
	r := watch(t, "postgresql", exporter, map[string]string{
		"localhost:9187": "", "scrape_interval: 15s": "scrape_interval: 2s", "timeSliceWindow: 1m": "timeSliceWindow: 6s",
	})

	trade := func(committed, failed int) {
		t.Helper()
		for range committed {
			if _, err := pg.SQL(t, "shop", "SELECT 1"); err != nil {
				t.Fatal(err)
			}
		}
		for range failed {
			if _, err := pg.SQL(t, "shop", "SELECT 1/0"); err == nil {
				t.Fatal("a division by zero succeeded")
			}
		}
	}
	counts := map[string]count{"postgresql-errors": {
		good: []term{plus(`pg_stat_database_xact_commit\{.*datname="shop".*\}`)},
		bad:  []term{plus(`pg_stat_database_xact_rollback\{.*datname="shop".*\}`)},
	}}
	trade(9, 4)
	if got := r.mustEqual(t, counts)["postgresql-errors"]; got[0] < 9 || got[1] != 4 {
		t.Errorf("the server counts %v committed and rolled back, the test made at least 9 and exactly 4", got)
	}

	// The counters of a server that is down are away, not zero: what they had reached is no news
	// when they are back.
	stopped := time.Now()
	pg.Stop()
	r.awaitEvents(t, "postgresql-up", "bad", func(s status) bool { return s.Events.Bad >= 2 })
	pg.Start(t)
	down := time.Since(stopped)
	trade(5, 3)
	if got := r.mustEqual(t, counts)["postgresql-errors"]; got[1] != 7 {
		t.Errorf("the server counts %v rolled back, the test made 7", got[1])
	}
	before := r.statusesAfter(t, time.Now())["postgresql-up"]
	r.awaitEvents(t, "postgresql-up", "good", func(s status) bool { return s.Events.Good > before.Events.Good })
	after := r.statusesAfter(t, time.Now())["postgresql-up"]
	if most := 2 + down.Seconds()/6; after.Events.Bad > most || after.Events.Bad < 2 {
		t.Errorf("%v slices of 6 s are bad after %s down", after.Events.Bad, down)
	}
}

// awaitEvents waits until an objective's status is as wanted.
func (r *rig) awaitEvents(t *testing.T, name, what string, wanted func(status) bool) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		found, err := r.statuses(ctx)
		if err != nil {
			return err
		}
		if !wanted(found[name]) {
			return fmt.Errorf("waiting for %s events of %s: %+v", what, name, found[name])
		}
		return nil
	})
}
