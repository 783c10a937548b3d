package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/journal"
)

// marshal and unmarshal are JSON as this process speaks it.
func marshal() protojson.MarshalOptions {
	return protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}
}

func unmarshal() protojson.UnmarshalOptions { return protojson.UnmarshalOptions{DiscardUnknown: false} }

// generated returns what registers the REST paths of a service, by its name.
func generated() map[string]func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error {
	return map[string]func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		bankv1.TransactionsService_ServiceDesc.ServiceName: bankv1.RegisterTransactionsServiceHandler,
		bankv1.ReportsService_ServiceDesc.ServiceName:      bankv1.RegisterReportsServiceHandler,
		bankv1.CreditScoreService_ServiceDesc.ServiceName:  bankv1.RegisterCreditScoreServiceHandler,
		bankv1.RewardsService_ServiceDesc.ServiceName:      bankv1.RegisterRewardsServiceHandler,
		bankv1.InboxService_ServiceDesc.ServiceName:        bankv1.RegisterInboxServiceHandler,
		bankv1.ProfilesService_ServiceDesc.ServiceName:     bankv1.RegisterProfilesServiceHandler,
		refoldv1.ControlService_ServiceDesc.ServiceName:    refoldv1.RegisterControlServiceHandler,
	}
}

// rest is the API over REST: it hands every call to the gRPC server.
type rest struct {
	*Server
	mux    *runtime.ServeMux
	routes routes
	// watching has one item for each stream of events that is under way; they end with stopping.
	watching chan struct{}
	stopping context.Context
}

// rest returns the API of the services that are registered. Streams of events end with ctx.
func (s *Server) rest(ctx context.Context, conn *grpc.ClientConn) (*rest, error) {
	services := s.grpc.GetServiceInfo()
	r := &rest{Server: s, routes: routesOf(services), watching: make(chan struct{}, s.cfg.MaxWatches), stopping: ctx}
	nothing := func(string) (string, bool) { return "", false }
	r.mux = runtime.NewServeMux(
		// An answer is JSON, or a file that says itself what it is.
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.HTTPBodyMarshaler{
			Marshaler: &runtime.JSONPb{MarshalOptions: marshal(), UnmarshalOptions: unmarshal()},
		}),
		// A slash that is part of an id stays part of it.
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
		// A call is what its method and path say, whatever its headers say.
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) { return strings.ToLower(name), name == keyHeader }),
		runtime.WithOutgoingHeaderMatcher(nothing),
		runtime.WithOutgoingTrailerMatcher(nothing),
		runtime.WithErrorHandler(r.fail),
		runtime.WithRoutingErrorHandler(misrouted),
		runtime.WithMiddlewares(r.checked),
		runtime.WithForwardResponseRewriter(rewrite),
		runtime.WithForwardResponseOption(func(ctx context.Context, _ http.ResponseWriter, m proto.Message) error {
			keep(ctx, m)
			return nil
		}),
	)
	for name, register := range generated() {
		if _, registered := services[name]; !registered {
			continue
		}
		if err := register(ctx, r.mux, conn); err != nil {
			return nil, fmt.Errorf("serve %s over REST: %w", name, err)
		}
	}
	return r, nil
}

// ServeHTTP lets the generated code answer, within a bound.
func (r *rest) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if watches(q) {
		r.watch(w, q)
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), maxCall)
	defer cancel()
	r.mux.ServeHTTP(w, q.WithContext(ctx))
}

// checked reads the body of a request whose path is known, and refuses what would be misread.
func (r *rest) checked(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request, params map[string]string) {
		if wrong := checkMedia(q); wrong != "" {
			write(w, http.StatusUnsupportedMediaType, detailed(codes.InvalidArgument, wrong, info(reasonMediaType)))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
		if err != nil {
			truncated(w, err)
			return
		}
		ctx, err := r.check(q, params, body)
		if err != nil {
			runtime.HTTPError(q.Context(), r.mux, nil, w, q, r.answer(q.URL.Path, err))
			return
		}
		q = q.WithContext(ctx)
		q.Body = io.NopCloser(bytes.NewReader(body))
		next(w, q, params)
	}
}

// truncated answers a request whose body was not read to its end.
func truncated(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		text := fmt.Sprintf("the body is larger than %d bytes", large.Limit)
		write(w, http.StatusRequestEntityTooLarge, detailed(codes.ResourceExhausted, text, info(reasonTooLarge)))
	case errors.Is(err, os.ErrDeadlineExceeded):
		write(w, http.StatusRequestTimeout, detailed(codes.DeadlineExceeded, "the body came too slowly", info(reasonTooSlow)))
	default:
		write(w, http.StatusBadRequest, detailed(codes.InvalidArgument, "the body did not come whole", info(reasonMalformed)))
	}
}

// fail answers with the status of a call, or with what kept it from being one.
func (r *rest) fail(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, q *http.Request, err error) {
	httpStatus := 0
	var routing *runtime.HTTPStatusError
	if errors.As(err, &routing) {
		httpStatus, err = routing.HTTPStatus, routing.Err
	}
	st := status.Convert(err)
	if find[*errdetails.ErrorInfo](st) == nil {
		st = r.adopt(q, st)
	}
	if httpStatus == 0 {
		httpStatus = runtime.HTTPStatusFromCode(st.Code())
	}
	write(w, httpStatus, st)
}

// adopt returns, for a status of a library, the one to answer with: what a library says of the request is
// for the caller, what it says of connections is not.
func (r *rest) adopt(q *http.Request, st *status.Status) *status.Status {
	switch st.Code() {
	case codes.InvalidArgument:
		return withInfo(status.New(st.Code(), strings.TrimLeft(strings.TrimPrefix(st.Message(), "proto:"), " \u00a0")))
	case codes.Unavailable, codes.DeadlineExceeded:
		if q.Method != http.MethodGet {
			// The call may have been made: only its answer did not come.
			return status.Convert(r.answer(q.URL.Path, fmt.Errorf("%w: %s", journal.ErrUnavailable, st.Message())))
		}
		if st.Code() == codes.DeadlineExceeded {
			return withInfo(st)
		}
		return status.Convert(r.answer(q.URL.Path, fmt.Errorf("%w: %s", errUnreachable, st.Message())))
	case codes.Internal, codes.Unknown:
		return status.Convert(r.answer(q.URL.Path, fmt.Errorf("over REST: %s", st.Message())))
	}
	return withInfo(st)
}

// misrouted answers a request whose path or method leads nowhere.
func misrouted(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, q *http.Request, httpStatus int) {
	c := codes.NotFound
	switch httpStatus {
	case http.StatusMethodNotAllowed:
		c = codes.Unimplemented
	case http.StatusBadRequest:
		c = codes.InvalidArgument
	}
	err := status.Errorf(c, "%s %s: %s", q.Method, q.URL.Path, strings.ToLower(http.StatusText(httpStatus)))
	runtime.HTTPError(ctx, mux, m, w, q, &runtime.HTTPStatusError{HTTPStatus: httpStatus, Err: err})
}

// write writes a status as JSON.
func write(w http.ResponseWriter, httpStatus int, st *status.Status) {
	problem := st.Proto()
	problem.Message = strings.ToValidUTF8(problem.GetMessage(), "?") // it may repeat a path
	body, err := marshal().Marshal(problem)
	if err != nil {
		body = []byte(`{"code":13,"message":"internal error","details":[]}`)
	}
	if retry := find[*errdetails.RetryInfo](st); retry != nil {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.GetRetryDelay().AsDuration().Seconds()))))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus)
	_, _ = w.Write(body) // a client that is gone is not our failure
}
