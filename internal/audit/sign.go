package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Head names the last entry of a log: its number and its hash. Seq 0 is the empty log.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// SignedHead is a head with the log's signature.
type SignedHead struct {
	Head
	Timestamp time.Time `json:"timestamp"`
	Signature []byte    `json:"signature"` // base64 in JSON
}

func (h SignedHead) message() []byte {
	return fmt.Appendf(nil, "assayer audit head v1\n%d\n%s\n%s\n", h.Seq, h.Hash, h.Timestamp.Format(time.RFC3339Nano))
}

func signHead(key ed25519.PrivateKey, head Head, at time.Time) SignedHead {
	h := SignedHead{Head: head, Timestamp: at.Round(0).UTC()}
	h.Signature = ed25519.Sign(key, h.message())
	return h
}

// Verify reports whether the signature is by the holder of pub's private key.
func (h SignedHead) Verify(pub ed25519.PublicKey) bool {
	return len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, h.message(), h.Signature)
}

const maxSidecarBytes = 16 << 10

func readHead(path string) (SignedHead, error) {
	var h SignedHead
	data, err := readSmall(path)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("decoding %s: %w", path, err)
	}
	return h, nil
}

// readSmall reads a file that is known to be small.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSidecarBytes+1))
	if err == nil && len(data) > maxSidecarBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxSidecarBytes)
	}
	return data, err
}

// replaceFile puts data under path so that a crash leaves either the old content or the new.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// createKey makes the log's key pair. The private key is written last: once it is there, so is the
// public one.
func createKey(path string) (ed25519.PrivateKey, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	pubDER, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := replaceFile(path+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pubDER}), 0o644); err != nil {
		return nil, err
	}
	if err := replaceFile(path+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return nil, err
	}
	return key, syncDir(filepath.Dir(path))
}

func readKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %#o, so others may have read it: set it to 0600", path, mode)
	}
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s holds no usable key: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, want an ed25519 key", path, parsed)
	}
	return key, nil
}

// ReadPublicKey reads a log's public key, as it is kept beside the log or elsewhere.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path, "PUBLIC KEY")
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading public key %s: %w", path, err)
	}
	pub, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("reading public key %s: it is a %T, want an ed25519 key", path, parsed)
	}
	return pub, nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
