package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Category says how much an entry matters.
type Category string

// The categories.
const (
	CategoryCritical Category = "CRITICAL"
	CategoryHigh     Category = "HIGH"
	CategoryMedium   Category = "MEDIUM"
)

// Risk is the risk of what the entry describes.
type Risk string

// The risk levels.
const (
	RiskLow      Risk = "LOW"
	RiskMedium   Risk = "MEDIUM"
	RiskHigh     Risk = "HIGH"
	RiskCritical Risk = "CRITICAL"
)

// Outcome says whether what the entry describes came about.
type Outcome string

// The outcomes. Partial also stands for something that has only begun.
const (
	Success Outcome = "SUCCESS"
	Failure Outcome = "FAILURE"
	Partial Outcome = "PARTIAL"
)

// Entry is one line of the log. Callers fill it from Category down to ValidationRequired, Actor and
// Evidence; the log sets AgentID, Seq, PrevHash and Hash, and Timestamp when it is zero.
type Entry struct {
	AgentID            string    `json:"agent_id"`
	Timestamp          time.Time `json:"timestamp"`
	Category           Category  `json:"action_category"`
	Type               string    `json:"action_type"` // lower_snake_case
	Description        string    `json:"description"` // one sentence
	AffectedSystems    []string  `json:"affected_systems"`
	Risk               Risk      `json:"risk_level"`
	ComplianceFlags    []string  `json:"compliance_flags"`
	Outcome            Outcome   `json:"success_status"`
	DurationSeconds    float64   `json:"duration_seconds"`
	ResourcesUsed      []string  `json:"resources_used"`
	ImpactAssessment   string    `json:"impact_assessment"`
	ValidationRequired bool      `json:"validation_required"` // somebody has to look whether it worked

	Seq      uint64          `json:"seq"`
	PrevHash string          `json:"prev_hash"`
	Hash     string          `json:"hash"`
	Actor    string          `json:"actor"`    // who caused it; empty becomes "agent"
	Evidence json.RawMessage `json:"evidence"` // any JSON value; nil becomes {}
}

// MaxLineBytes bounds one line of the log, line break included.
const MaxLineBytes = 1 << 20

const zeroHash = "0000000000000000000000000000000000000000000000000000000000000000"

// validate reports what a caller filled in wrongly.
func (e *Entry) validate() error {
	switch {
	case !slices.Contains([]Category{CategoryCritical, CategoryHigh, CategoryMedium}, e.Category):
		return fmt.Errorf("action_category is %q, allowed: CRITICAL, HIGH, MEDIUM", e.Category)
	case !slices.Contains([]Risk{RiskLow, RiskMedium, RiskHigh, RiskCritical}, e.Risk):
		return fmt.Errorf("risk_level is %q, allowed: LOW, MEDIUM, HIGH, CRITICAL", e.Risk)
	case !slices.Contains([]Outcome{Success, Failure, Partial}, e.Outcome):
		return fmt.Errorf("success_status is %q, allowed: SUCCESS, FAILURE, PARTIAL", e.Outcome)
	case e.Type == "" || strings.Trim(e.Type, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return fmt.Errorf("action_type is %q, allowed: lower case letters, digits and _", e.Type)
	case e.Description == "":
		return fmt.Errorf("description is empty")
	case math.IsNaN(e.DurationSeconds) || math.IsInf(e.DurationSeconds, 0) || e.DurationSeconds < 0:
		return fmt.Errorf("duration_seconds is %v, allowed: a number from 0", e.DurationSeconds)
	}
	return nil
}

// fill sets what an entry needs to be written and may lack, and makes every text one that JSON gives
// back as it was: bytes that are no UTF-8 would come back as something else and look tampered with.
func (e *Entry) fill(now time.Time) {
	if e.Timestamp.IsZero() {
		e.Timestamp = now
	}
	e.Timestamp = e.Timestamp.Round(0).UTC()
	if e.Actor == "" {
		e.Actor = "agent"
	}
	if len(e.Evidence) == 0 {
		e.Evidence = json.RawMessage("{}")
	}
	e.Evidence = bytes.ToValidUTF8(e.Evidence, []byte(notUTF8))
	for _, text := range []*string{&e.AgentID, &e.Description, &e.ImpactAssessment, &e.Actor} {
		*text = strings.ToValidUTF8(*text, notUTF8)
	}
	for _, list := range []*[]string{&e.AffectedSystems, &e.ComplianceFlags, &e.ResourcesUsed} {
		valid := make([]string, len(*list)) // not the caller's own
		for i, text := range *list {
			valid[i] = strings.ToValidUTF8(text, notUTF8)
		}
		*list = valid
	}
}

// notUTF8 stands for bytes that are no UTF-8.
const notUTF8 = "\uFFFD"

// seal computes Hash and gives the line, its line break included.
func (e *Entry) seal() ([]byte, error) {
	hash, err := e.sum()
	if err != nil {
		return nil, err
	}
	e.Hash = hash
	line, err := encode(e)
	if err != nil {
		return nil, err
	}
	if len(line) > MaxLineBytes {
		return nil, fmt.Errorf("entry of %d bytes is over the limit of %d", len(line), MaxLineBytes)
	}
	return line, nil
}

// sum is the hash that the entry's content gives, whatever Hash says.
func (e *Entry) sum() (string, error) {
	bare := *e
	bare.Hash = ""
	line, err := encode(&bare)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(bytes.TrimSuffix(line, []byte("\n")))
	return hex.EncodeToString(h[:]), nil
}

func encode(e *Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding entry: %w", err)
	}
	return b.Bytes(), nil
}
