package gateway

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api"
)

// handler returns everything that is served over HTTP.
func (s *Server) handler(ctx context.Context, conn *grpc.ClientConn) (http.Handler, error) {
	calls, err := s.rest(ctx, conn)
	if err != nil {
		return nil, err
	}
	page, err := calls.routes.page()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", calls)
	mux.HandleFunc("GET /{$}", document("text/html; charset=utf-8", page))
	mux.HandleFunc("GET /openapi.json", document("application/json", api.OpenAPI))
	mux.HandleFunc("GET /healthz", document("text/plain; charset=utf-8", []byte("ok\n")))
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		write(w, http.StatusNotFound, withInfo(status.Newf(codes.NotFound, "%s: there is no such page", q.URL.Path)))
	})
	// A page of another site must not write with the rights of whoever looks at it.
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusForbidden, withInfo(status.New(codes.PermissionDenied, "this comes from a page of another site")))
	}))
	return secured(s.recovered(fewHeaders(foreign.Handler(mux)))), nil
}

// fewHeaders refuses a request with more headers than anybody means.
func fewHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n := 0
		for _, values := range q.Header {
			n += len(values)
		}
		if n > maxHeaderFields {
			write(w, http.StatusRequestHeaderFieldsTooLarge, withInfo(status.Newf(codes.InvalidArgument, "the request has %d headers: there may be %d", n, maxHeaderFields)))
			return
		}
		next.ServeHTTP(w, q)
	})
}

// secured tells browsers to do with an answer nothing but show it.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		next.ServeHTTP(w, q)
	})
}

// recovered answers for a handler that panics. By itself net/http would only close the connection.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		defer func() {
			with := recover()
			if err, ok := with.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(with) // it wants the connection to be closed
			}
			if err := s.answer(q.URL.Path, panicked(with, nil)); err != nil {
				write(w, http.StatusInternalServerError, status.Convert(err))
			}
		}()
		next.ServeHTTP(w, q)
	})
}

func document(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content) // a client that is gone is not our failure
	}
}

// readyz says whether the process can serve, and why not.
func (s *Server) readyz(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := s.cfg.Ready(q.Context()); err != nil {
		write(w, http.StatusServiceUnavailable, withInfo(status.Newf(codes.Unavailable, "not ready: %v", err)))
		return
	}
	document("text/plain; charset=utf-8", []byte("ready\n"))(w, q)
}
