package kafka

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/secret"
)

// Config is one entry of collectors.transactions.sources of the kind kafka. Lay it over [Default].
type Config struct {
	Name            string            `yaml:"name"`              // of the source, for the log
	Kind            string            `yaml:"kind"`              // kafka
	Brokers         []string          `yaml:"brokers"`           // host:port of some of the cluster's
	Topics          []string          `yaml:"topics"`            // by name
	Group           string            `yaml:"group"`             // the consumer group that keeps the offsets
	Format          string            `yaml:"format"`            // of a message: ndjson, iso20022, nacha, fix, iso8583
	Start           string            `yaml:"start"`             // earliest or latest: where a group without offsets begins
	DeadLetterTopic string            `yaml:"dead_letter_topic"` // takes the messages that cannot be used; empty: they are only logged
	TLS             *config.TLSConfig `yaml:"tls_config"`        // as in Prometheus; absent: no TLS
	SASL            *SASL             `yaml:"sasl"`
}

// SASL is how the agent logs in.
type SASL struct {
	Mechanism    string        `yaml:"mechanism"` // plain, scram-sha-256, scram-sha-512
	Username     string        `yaml:"username"`
	Password     secret.String `yaml:"password"`
	PasswordFile string        `yaml:"password_file"` // read again at each login; exactly one of the two
}

// Default gives the defaults.
func Default() Config {
	return Config{Kind: "kafka", Group: "assayer", Format: "ndjson", Start: "earliest"}
}

// most bounds lists.
const most = 100

// Validate returns every problem, as a [problem.List] with paths relative to the section.
func (c Config) Validate() error {
	var l problem.List
	wrong := func(path, message, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Message: message, Got: got, Allowed: allowed})
	}
	needed := map[string]string{"name": c.Name, "group": c.Group, "format": c.Format}
	for _, key := range slices.Sorted(maps.Keys(needed)) {
		if needed[key] == "" {
			wrong(key, problem.NoValue, "", "text")
		}
	}
	if c.Kind != "kafka" {
		wrong("kind", "", c.Kind, "kafka")
	}
	if len(c.Brokers) == 0 || len(c.Brokers) > most {
		wrong("brokers", "", fmt.Sprint(len(c.Brokers), " brokers"), fmt.Sprint("1 to ", most))
	}
	for i, b := range c.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" || strings.Contains(b, "@") {
			wrong(fmt.Sprintf("brokers[%d]", i), "", b, "host:port, such as kafka-1:9092")
		}
	}
	if len(c.Topics) == 0 || len(c.Topics) > most {
		wrong("topics", "", fmt.Sprint(len(c.Topics), " topics"), fmt.Sprint("1 to ", most))
	}
	for i, topic := range c.Topics {
		if topic == "" || topic == c.DeadLetterTopic {
			wrong(fmt.Sprintf("topics[%d]", i), "", topic, "a topic's name, and not that of dead_letter_topic")
		}
	}
	if c.Start != "earliest" && c.Start != "latest" {
		wrong("start", "", c.Start, "earliest, latest")
	}
	if c.TLS != nil {
		if err := c.TLS.Validate(); err != nil {
			wrong("tls_config", err.Error(), "", "")
		}
	}
	if c.SASL != nil {
		c.SASL.validate(wrong)
	}
	return l.Err()
}

func (s SASL) validate(wrong func(path, message, got, allowed string)) {
	if !slices.Contains([]string{"plain", "scram-sha-256", "scram-sha-512"}, s.Mechanism) {
		wrong("sasl.mechanism", "", s.Mechanism, "plain, scram-sha-256, scram-sha-512")
	}
	if s.Username == "" {
		wrong("sasl.username", problem.NoValue, "", "text")
	}
	if s.Password.IsZero() == (s.PasswordFile == "") {
		wrong("sasl.password", "", "", "password or password_file, and not both")
	}
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	if c.TLS != nil {
		c.TLS.SetDirectory(dir)
	}
	if c.SASL != nil && c.SASL.PasswordFile != "" && !filepath.IsAbs(c.SASL.PasswordFile) {
		c.SASL.PasswordFile = filepath.Join(dir, c.SASL.PasswordFile)
	}
}
