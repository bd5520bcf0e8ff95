package postgresql_test

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fakeServer speaks as much of PostgreSQL's protocol as a poll needs, and lets a function answer the query.
type fakeServer struct {
	address string

	mu      sync.Mutex
	columns []string
	// answer gives the rows for a watermark and a number; nil values are NULL. An error's text is its SQLSTATE.
	answer func(mark string, limit int) ([][]any, error)
	asked  []string // watermarks asked for
	begun  []string // what was said before the query
}

func newServer(t *testing.T, columns string, answer func(mark string, limit int) ([][]any, error)) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{address: l.Addr().String(), columns: strings.Split(columns, ","), answer: answer}
	var all sync.WaitGroup
	conns := make(chan net.Conn, 100)
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns <- conn
			all.Go(func() { s.serve(t, conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		for len(conns) > 0 {
			_ = (<-conns).Close()
		}
		all.Wait()
	})
	return s
}

func (s *fakeServer) dsn() string {
	return "postgresql://assayer:canary-7f3a@" + s.address + "/bank?sslmode=disable"
}

func (s *fakeServer) marks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

func (s *fakeServer) serve(t *testing.T, conn net.Conn) {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
	ready := func() error {
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		return b.Flush()
	}
	if ready() != nil {
		return
	}
	for {
		m, err := b.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) {
				t.Logf("the client: %v", err)
			}
			return
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			s.mu.Lock()
			s.begun = append(s.begun, m.String)
			s.mu.Unlock()
			for range strings.Count(m.String, ";") + 1 {
				b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
			}
			err = ready()
		case *pgproto3.Bind:
			s.bind(b, m)
		case *pgproto3.Sync:
			err = ready()
		case *pgproto3.Terminate:
			return
		}
		if err != nil {
			return
		}
	}
}

// bind answers the query as soon as its parameters are known.
func (s *fakeServer) bind(b *pgproto3.Backend, m *pgproto3.Bind) {
	mark := string(m.Parameters[0])
	limit, _ := strconv.Atoi(string(m.Parameters[1])) // as the source writes it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, mark)
	rows, err := s.answer(mark, limit)
	if err != nil {
		b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: err.Error(), Message: "invalid input: canary-7f3a"})
		return
	}
	b.Send(&pgproto3.ParseComplete{})
	b.Send(&pgproto3.BindComplete{})
	var fields []pgproto3.FieldDescription
	for _, c := range s.columns {
		fields = append(fields, pgproto3.FieldDescription{Name: []byte(c), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1})
	}
	b.Send(&pgproto3.RowDescription{Fields: fields})
	for _, row := range rows {
		var values [][]byte
		for _, v := range row {
			if v == nil {
				values = append(values, nil)
			} else {
				values = append(values, []byte(v.(string)))
			}
		}
		b.Send(&pgproto3.DataRow{Values: values})
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
}
