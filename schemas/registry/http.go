package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// mediaTypes are the types of JSON that requests may carry and answers may have, the best first.
func mediaTypes() []string {
	return []string{"application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"}
}

// verb answers one method of one resource: with a value that becomes JSON, or a plain text, or an error.
type verb func(r *http.Request) (any, error)

// plain is an answer that is sent as it is.
type plain string

// methods are the verbs of one resource by HTTP method.
type methods map[string]verb

// Handler is the REST API. Until Run has folded what was in the log at its start, requests wait.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, routes := range []map[string]methods{
		s.subjectRoutes(), s.versionRoutes(), s.schemaRoutes(), s.configRoutes(), s.modeRoutes(), s.compatibilityRoutes(),
	} {
		for path, m := range routes {
			mux.Handle(path, s.resource(m))
		}
	}
	mux.Handle("/{$}", s.resource(methods{"GET": func(*http.Request) (any, error) { return struct{}{}, nil }}))
	mux.Handle("/v1/metadata/id", s.resource(methods{"GET": func(*http.Request) (any, error) { return metadataOf(s.cfg.Cluster), nil }}))
	mux.Handle("/", s.resource(nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := *r.URL; len(u.Path) > 1 && strings.HasSuffix(u.EscapedPath(), "/") {
			u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
			r = r.Clone(r.Context())
			r.URL = &u
		}
		mux.ServeHTTP(w, r)
	})
}

// resource answers the requests for one resource.
func (s *Server) resource(m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mediaType, err := answerType(r)
		var answer any
		if err == nil {
			answer, err = s.answer(r, m)
		}
		w.Header().Set("Content-Type", mediaType)
		if len(m) > 0 {
			w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(m)), ", "))
		}
		if err != nil {
			s.sendError(w, r, err)
			return
		}
		send(w, http.StatusOK, answer)
	})
}

func (s *Server) answer(r *http.Request, m methods) (any, error) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := m[method]
	switch {
	case len(m) == 0:
		return nil, refuse(http.StatusNotFound, "HTTP 404 Not Found")
	case !ok:
		return nil, refuse(http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
	}
	if err := s.Ready(r.Context()); err != nil {
		return nil, err
	}
	return do(r)
}

func send(w http.ResponseWriter, status int, answer any) {
	w.WriteHeader(status)
	if text, ok := answer.(plain); ok {
		_, _ = io.WriteString(w, string(text)) // the client is gone if this fails
		return
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(answer) // the client is gone if this fails
}

// sendError answers with an error. What the log said is for the operator, not for the client.
func (s *Server) sendError(w http.ResponseWriter, r *http.Request, err error) {
	var e *apiError
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = refuse(codeTimeout, "The operation took too long; it is unknown whether it took effect.")
	case errors.Is(err, errNotRunning):
		e = refuse(codeStore, "The registry is not running.")
	default:
		s.cfg.Logger.ErrorContext(r.Context(), "schema registry request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		e = refuse(codeStore, "The registry's log cannot be read or written; it is unknown whether the operation took effect.")
	}
	send(w, e.status, e)
}

// answerType chooses the type of the answer from the request's Accept header: of the types it lists, the most
// specific that the registry has.
func answerType(r *http.Request) (string, error) {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return mediaTypes()[0], nil
	}
	var wanted []string
	for item := range strings.SplitSeq(accept, ",") {
		if mediaType, _, err := mime.ParseMediaType(item); err == nil {
			wanted = append(wanted, mediaType)
		}
	}
	for _, have := range mediaTypes() {
		for _, want := range wanted {
			if want == have || want == "*/*" || want == "application/*" {
				return have, nil
			}
		}
	}
	return mediaTypes()[0], refuse(http.StatusNotAcceptable, "HTTP 406 Not Acceptable: answers are %s", strings.Join(mediaTypes(), ", "))
}
