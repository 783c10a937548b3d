package node

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serveOperators serves metrics and profiles, and how the node is, on a port that customers need not reach. It begins
// before the gateway: a node that cannot get ready can be looked at.
func (n *Node) serveOperators(ctx context.Context) error {
	if n.cfg.Listen.Operators == "" {
		return nil
	}
	l, err := listen(ctx, n.cfg.Listen.Operators)
	if err != nil {
		return fmt.Errorf("operators: %w", err)
	}
	server := &http.Server{Handler: n.operators(), ReadHeaderTimeout: 5 * time.Second}
	n.parts.start("operators", func(ctx context.Context) error { return serveHTTP(ctx, server, l) })
	n.addresses.Operators = l.Addr().String()
	return nil
}

func (n *Node) operators() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(n.cfg.Logger.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	return mux
}
