package httpin

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

var errInflated = errors.New("the inflated body is too large")

// body reads a request's body, inflated, and keeps why it could not be read on: decoders tell of that in
// words of their own.
type body struct {
	r    io.Reader
	left int64 // of what may still come out
	err  error // never io.EOF
}

// openBody answers, and returns false, if the encoding is not known.
func openBody(w http.ResponseWriter, r *http.Request, limit int64, a *answer) (*body, bool) {
	b := &body{r: http.MaxBytesReader(w, r.Body, limit), left: limit}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		b.r = &inflater{in: b.r}
	default:
		a.fail(http.StatusUnsupportedMediaType, "Content-Encoding: got %q, allowed: gzip, identity", encoding)
		return nil, false
	}
	return b, true
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	// One byte more than is left tells a body that is too large from one that just fits.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		n, err = 0, errInflated
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// inflater reads the gzip header only when it is asked for data, so that a bad one is a bad body.
type inflater struct {
	in io.Reader
	z  *gzip.Reader
}

func (i *inflater) Read(p []byte) (int, error) {
	if i.z == nil {
		z, err := gzip.NewReader(i.in)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // no gzip at all is not an empty body
		}
		if err != nil {
			return 0, err
		}
		i.z = z
	}
	return i.z.Read(p)
}
