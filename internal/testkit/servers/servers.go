package servers

import (
	"testing"
)

// Server is a running server that speaks HTTP.
type Server struct {
	*Process
	Address string // 127.0.0.1:port
}

// URL returns the address of path on the server.
func (s *Server) URL(path string) string { return "http://" + s.Address + path }

// StartPrometheus starts Prometheus with the configuration file text config.
func StartPrometheus(t testing.TB, config string) *Server {
	t.Helper()
	return StartPrometheusIn(t, t.TempDir(), config)
}

// StartPrometheusIn starts Prometheus with its files in dir, its data directory being dir/data, and further flags.
func StartPrometheusIn(t testing.TB, dir, config string, flags ...string) *Server {
	t.Helper()
	address := freeAddresses(t, 1)[0]
	p := launch(t, command{
		name:   "prometheus",
		binary: find(t, "prometheus", "prometheus"),
		args: append([]string{
			"--config.file=" + write(t, dir, "prometheus.yml", config),
			"--storage.tsdb.path=" + dir + "/data", "--web.listen-address=" + address, "--web.enable-lifecycle",
		}, flags...),
		dir: dir,
	}, httpOK("http://"+address+"/-/ready"))
	return &Server{p, address}
}

// StartAlertmanager starts one Alertmanager, in no cluster, with the configuration file text config.
func StartAlertmanager(t testing.TB, config string) *Server {
	t.Helper()
	return StartAlertmanagerIn(t, t.TempDir(), config)
}

// StartAlertmanagerIn starts it with its files in dir; its configuration file is dir/alertmanager.yml.
func StartAlertmanagerIn(t testing.TB, dir, config string) *Server {
	t.Helper()
	address := freeAddresses(t, 1)[0]
	p := launch(t, command{
		name:   "alertmanager",
		binary: find(t, "prometheus-alertmanager", "prometheus-alertmanager", "alertmanager"),
		args: []string{
			"--config.file=" + write(t, dir, "alertmanager.yml", config),
			"--storage.path=" + dir + "/data", "--web.listen-address=" + address, "--cluster.listen-address=",
		},
		dir: dir,
	}, httpOK("http://"+address+"/-/ready"))
	return &Server{p, address}
}

// StartVMAlert starts VictoriaMetrics' evaluator of rules on files that match a pattern. It asks the Prometheus at a URL,
// and tells its alerts and what it records to nobody.
func StartVMAlert(t testing.TB, pattern, prometheus string) *Server {
	t.Helper()
	dir, address := t.TempDir(), freeAddresses(t, 1)[0]
	p := launch(t, command{
		name:   "vmalert",
		binary: find(t, "victoria-metrics", "vmalert"),
		args:   []string{"-rule=" + pattern, "-datasource.url=" + prometheus, "-remoteWrite.url=http://127.0.0.1:9", "-notifier.url=http://127.0.0.1:9", "-httpListenAddr=" + address},
		dir:    dir,
	}, httpOK("http://"+address+"/health"))
	return &Server{p, address}
}

// StartEtcd starts a cluster of one with further flags.
func StartEtcd(t testing.TB, flags ...string) *Server {
	t.Helper()
	dir, addresses := t.TempDir(), freeAddresses(t, 2)
	client, peer := "http://"+addresses[0], "http://"+addresses[1]
	p := launch(t, command{
		name:   "etcd",
		binary: find(t, "etcd-server", "etcd"),
		args: append([]string{
			"--data-dir", dir + "/data", "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
		}, flags...),
		dir: dir,
	}, httpOK(client+"/health"))
	return &Server{p, addresses[0]}
}

// NATS is a running nats-server with JetStream.
type NATS struct {
	*Server        // its monitoring side
	Client  string // nats://127.0.0.1:port
}

// StartNATS starts a nats-server with JetStream and its monitoring port.
func StartNATS(t testing.TB) *NATS {
	t.Helper()
	dir, addresses := t.TempDir(), freeAddresses(t, 2)
	p := launch(t, command{
		name:   "nats-server",
		binary: find(t, "nats-server", "nats-server", "/usr/sbin/nats-server"),
		args: []string{
			"-a", "127.0.0.1", "-p", port(addresses[0]), "-m", port(addresses[1]), "-js", "-sd", dir + "/data",
		},
		dir: dir,
	}, httpOK("http://"+addresses[1]+"/healthz"))
	return &NATS{&Server{p, addresses[1]}, "nats://" + addresses[0]}
}

// FreeAddress is an address on loopback that nobody listens on, for a server that is told where to listen.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return freeAddresses(t, 1)[0]
}
