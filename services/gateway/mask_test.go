package gateway_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
)

// large answers with more than anybody wants to know.
type large struct {
	bankv1.UnimplementedCreditScoreServiceServer
	bankv1.UnimplementedReportsServiceServer
}

func (large) GetScore(context.Context, *bankv1.GetScoreRequest) (*bankv1.GetScoreResponse, error) {
	return &bankv1.GetScoreResponse{
		CustomerId: "c1", Reasons: []string{"{}", "[]"}, Freshness: &refoldv1.Freshness{Generation: 3},
		Factors: []*bankv1.ScoreFactor{{Name: "floor", MaxPoints: 130, Words: "\"}, {"}, {Name: "swing", Points: 7}},
	}, nil
}

func (large) ListEntries(context.Context, *bankv1.ListEntriesRequest) (*bankv1.ListEntriesResponse, error) {
	return &bankv1.ListEntriesResponse{NextPageToken: "next"}, nil
}

func spacious(t *testing.T) *house {
	return open(t, &bank{also: func(r grpc.ServiceRegistrar) {
		bankv1.RegisterCreditScoreServiceServer(r, large{})
		bankv1.RegisterReportsServiceServer(r, large{})
	}}, nil)
}

// fresh is what every answer over REST says of itself.
const fresh = `"freshness":{"position":"","event_time":null,"lag_events":"0","lag_seconds":0,"generation":"3","scanned":false,"parked_since":null}`

// Only what is wanted is answered, zeros among it; of a list the fields of each item.
func TestMasksOverREST(t *testing.T) {
	h := spacious(t)
	for fields, want := range map[string]string{
		"score,customer_id":                `{"customer_id":"c1","score":0,` + fresh + `}`,
		"customerId":                       `{"customer_id":"c1",` + fresh + `}`,
		"factors.points,factors.maxPoints": `{"factors":[{"points":0,"max_points":130},{"points":7,"max_points":0}],` + fresh + `}`,
		"factors.words":                    `{"factors":[{"words":"\"}, {"},{"words":""}],` + fresh + `}`,
		"reasons,factors.name,reasons":     `{"factors":[{"name":"floor"},{"name":"swing"}],"reasons":["{}","[]"],` + fresh + `}`,
		"freshness.generation":             `{` + fresh + `}`,
	} {
		got := h.send("GET", scorePath+"?fields="+fields, "")
		if got.status != 200 || got.body != want {
			t.Errorf("%s: got %d %s, want %s", fields, got.status, got.body, want)
		}
	}
	for _, whole := range []string{"factors,factors.name", "factors.name,factors"} {
		if got := h.send("GET", scorePath+"?fields="+whole, ""); strings.Count(got.body, `"about"`) != 2 {
			t.Errorf("%s: got %d %s, want whole factors", whole, got.status, got.body)
		}
	}
	if got := h.send("GET", "/v1/accounts/c1.main/entries?fields=entries.kind", ""); !strings.Contains(got.body, `"next_page_token":"next"`) {
		t.Errorf("got %d %s, want the token of the next page", got.status, got.body)
	}
}

func TestMasksOverGRPC(t *testing.T) {
	client := bankv1.NewCreditScoreServiceClient(spacious(t).conn)
	ask := func(paths ...string) (*bankv1.GetScoreResponse, error) {
		return client.GetScore(t.Context(), &bankv1.GetScoreRequest{CustomerId: "c1", Fields: &fieldmaskpb.FieldMask{Paths: paths}})
	}
	got, err := ask("factors.name", "score")
	want := &bankv1.GetScoreResponse{
		Freshness: &refoldv1.Freshness{Generation: 3}, Factors: []*bankv1.ScoreFactor{{Name: "floor"}, {Name: "swing"}},
	}
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	all, err := ask()
	if err != nil || all.GetCustomerId() != "c1" || all.GetFactors()[0].GetMaxPoints() != 130 {
		t.Errorf("got %v, %v, want all of it for an empty mask", all, err)
	}
	_, err = ask("factors.colour", "score.digits", "freshness.event_time.seconds", "factors.name")
	if reason, wrong := told(err); reason != "refold/MALFORMED" || wrong["fields"] != "GetScoreResponse has no field factors.colour, score.digits, freshness.event_time.seconds" {
		t.Errorf("got %s, %v", reason, wrong)
	}
}

// What is not in the answer is named, with whatever else is wrong.
func TestWrongMasks(t *testing.T) {
	h := spacious(t)
	got := h.send("GET", "/v1/customers/-/score?fields=changed_by_event_id,colour&min_position="+strings.Repeat("x", 5000)+"&until=x", "")
	reason, wrong := got.reason(t)
	if got.status != 400 || reason != "MALFORMED" || wrong["fields"] != "GetScoreResponse has no field colour" || wrong["until"] == "" || wrong["customer_id"] == "" || wrong["min_position"] == "" {
		t.Errorf("got %d %s: %v", got.status, reason, wrong)
	}
	for _, fields := range []string{"colour", "score,", "factors.", "factors..name", ".", strings.Repeat("a.", 10_000)} {
		got := h.send("GET", scorePath+"?fields="+fields, "")
		if _, wrong := got.reason(t); got.status != 400 || wrong["fields"] == "" {
			t.Errorf("%.20q: got %d %s", fields, got.status, got.body)
		}
	}
	got = h.send("GET", "/v1/customers/c1/spending:csv?fields=cells", "")
	if _, wrong := got.reason(t); got.status != 400 || wrong["fields"] == "" {
		t.Errorf("a file: got %d %s", got.status, got.body)
	}
}

// Every read whose answer has a list and says how fresh it is takes a mask.
func TestEveryLargeAnswerTakesAMask(t *testing.T) {
	with := 0
	for _, file := range []protoreflect.FileDescriptor{bankv1.File_bank_v1_reports_proto, bankv1.File_bank_v1_creditscore_proto, bankv1.File_bank_v1_rewards_proto, bankv1.File_bank_v1_inbox_proto} {
		service := file.Services().Get(0)
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			listed := false
			for j := range m.Output().Fields().Len() {
				listed = listed || m.Output().Fields().Get(j).IsList()
			}
			if !listed || m.Output().Fields().ByName("freshness") == nil {
				continue
			}
			with++
			if fd := m.Input().Fields().ByName("fields"); fd == nil || fd.Message() == nil || fd.Message().FullName() != "google.protobuf.FieldMask" {
				t.Errorf("%s takes no mask", m.FullName())
			}
		}
	}
	if with < 12 {
		t.Errorf("got %d answers with lists, want at least 12", with)
	}
}
