package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// contentPolicy lets the page use its own files and nothing else; there is no inline code to allow.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard puts the same protection before every route: headers, the Host check and, for requests
// that change something, the refusal of other sites' pages.
func (s *Server) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusForbidden, "this request comes from another site's page; send it from this agent's own page or from a command line")
	}))
	next = crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("Cache-Control", "no-store")
		if !s.hostAllowed(r) {
			writeError(w, http.StatusForbidden, "host %q is not served on this address; ask for localhost or 127.0.0.1, or name it in web.external_url", r.Host)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed guards against DNS rebinding: a page of another site may point its own name at
// 127.0.0.1 and would then be of the same origin as this agent. What arrives on loopback must
// therefore have asked for a loopback name.
func (s *Server) hostAllowed(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	local, err := netip.ParseAddrPort(addr.String())
	if err != nil || !local.Addr().Unmap().IsLoopback() {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost") || slices.ContainsFunc(s.deps.Hosts, func(name string) bool {
		return strings.EqualFold(host, name)
	})
}
