package broker

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestKeptTopicsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir(), Keep: []string{topicName}})
	createTopic(t, b.Addr(), topicName, 1)
	createTopic(t, b.Addr(), "other", 1)
	adm := kadm.NewClient(client(t, b.Addr()))
	for name, want := range map[string]error{topicName: kerr.PolicyViolation, "other": nil} {
		widened, err := adm.UpdatePartitions(t.Context(), 2, name)
		if got := widened[name].Err; !errors.Is(got, want) {
			t.Errorf("widen %s: got %v, want %v", name, got, want)
		}
		altered, err3 := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: kadm.StringPtr("compact")}}, name)
		if err != nil || err3 != nil {
			t.Fatal(err, err3)
		}
		if got := altered[0].Err; !errors.Is(got, want) {
			t.Errorf("configure %s: got %v, want %v", name, got, want)
		}
		deleted, err := adm.DeleteTopics(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := deleted[name].Err; !errors.Is(got, want) {
			t.Errorf("delete %s: got %v, want %v", name, got, want)
		}
	}
	topics, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := len(topics[topicName].Partitions); got != 1 || topics.Has("other") {
		t.Errorf("%s has %d partitions, other is there: %v", topicName, got, topics.Has("other"))
	}
}
