package registry

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// TestConcurrentSame registers one schema 50 times at once through two instances over one log: one version, one id.
func TestConcurrentSame(t *testing.T) {
	log := &memLog{gap: 1}
	pair := [2]*instance{start(t, log, Config{}), start(t, log, Config{})}
	answers := concurrently(50, func(i int) string {
		status, answer := pair[i%2].do(t, "POST", "/subjects/s/versions", registerInt)
		return fmt.Sprint(status, answer)
	})
	for i, got := range answers {
		if want := `200{"id":1}`; strings.ReplaceAll(got, " ", "") != want {
			t.Errorf("answer %d: got %s, want %s", i, got, want)
		}
	}
	sameState(t, log, pair)
	if got := len(log.replay(t).applied); got != 1 {
		t.Errorf("changes: got %d, want 1", got)
	}
}

// TestConcurrentDifferent registers 50 schemas at once through two instances, under one subject and under 50: every
// one gets an id of its own, which both instances know it by.
func TestConcurrentDifferent(t *testing.T) {
	for _, c := range []struct {
		name    string
		subject func(i int) string
	}{
		{"one subject", func(int) string { return "s" }},
		{"50 subjects", func(i int) string { return fmt.Sprintf("s%d", i) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &memLog{}
			pair := [2]*instance{start(t, log, Config{}), start(t, log, Config{})}
			answers := concurrently(50, func(i int) string {
				schema := fmt.Sprintf("{\"schema\":`{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f%d\",\"type\":\"int\",\"default\":0}]}`}", i)
				status, answer := pair[i%2].do(t, "POST", "/subjects/"+c.subject(i)+"/versions", quoted(t, schema))
				if status != 200 {
					t.Errorf("register schema %d: got %d %s, want 200", i, status, answer)
				}
				return answer
			})
			for i, answer := range answers {
				var id int
				if _, err := fmt.Sscanf(answer, `{"id":%d}`, &id); err != nil {
					t.Fatalf("answer %d: got %s, want an id", i, answer)
				}
				for _, in := range pair {
					_, text := in.do(t, "GET", fmt.Sprintf("/schemas/ids/%d/schema", id), "")
					if want := fmt.Sprintf(`"f%d"`, i); !strings.Contains(text, want) {
						t.Errorf("schema %d: got %s, want one with %s", id, text, want)
					}
				}
			}
			sameState(t, log, pair)
			st := log.replay(t)
			if got := len(st.applied); got != 50 {
				t.Errorf("changes: got %d, want 50", got)
			}
			t.Logf("%d records for %d changes", log.count(), len(st.applied))
		})
	}
}

// TestConcurrentConflict registers two schemas that do not go together at once through two instances, again and
// again: one of them wins, the other is refused as incompatible, and both instances agree which.
func TestConcurrentConflict(t *testing.T) {
	log := &memLog{}
	pair := [2]*instance{start(t, log, Config{}), start(t, log, Config{})}
	for round := range 30 {
		subject := fmt.Sprintf("s%d", round)
		answers := concurrently(2, func(i int) string {
			schema := []string{`"int"`, `"string"`}[(i+round)%2]
			status, _ := pair[i].do(t, "POST", "/subjects/"+subject+"/versions", quoted(t, "{\"schema\":`"+schema+"`}"))
			return fmt.Sprint(status)
		})
		if got := strings.Join(answers, " "); got != "200 409" && got != "409 200" {
			t.Errorf("round %d: got %s, want one 200 and one 409", round, got)
		}
	}
	sameState(t, log, pair)
}

// TestConcurrentReference refers to a schema and deletes it at once: never both.
func TestConcurrentReference(t *testing.T) {
	log := &memLog{}
	pair := [2]*instance{start(t, log, Config{}), start(t, log, Config{})}
	for round := range 30 {
		base, user := fmt.Sprintf("base%d", round), fmt.Sprintf("user%d", round)
		pair[0].do(t, "POST", "/subjects/"+base+"/versions", quoted(t, "{\"schema\":`"+`{"type":"record","name":"N","fields":[]}`+"`}"))
		pair[0].do(t, "DELETE", "/subjects/"+base, "")
		answers := concurrently(2, func(i int) string {
			if i == 0 {
				status, _ := pair[0].do(t, "DELETE", "/subjects/"+base+"?permanent=true", "")
				return fmt.Sprint(status)
			}
			status, _ := pair[1].do(t, "POST", "/subjects/"+user+"/versions",
				quoted(t, "{\"schema\":`"+`{"type":"array","items":"N"}`+"`,\"references\":[{\"name\":\"N\",\"subject\":\""+base+"\",\"version\":1}]}"))
			return fmt.Sprint(status)
		})
		if got := strings.Join(answers, " "); got != "200 422" && got != "422 200" {
			t.Errorf("round %d, deletion and reference: got %s, want one 200 and one 422", round, got)
		}
	}
	sameState(t, log, pair)
}

// concurrently calls fn n times at once.
func concurrently(n int, fn func(i int) string) []string {
	answers := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = fn(i) })
	}
	all.Wait()
	return answers
}

// sameState compares both instances with a fold of the log from its beginning.
func sameState(t *testing.T, log *memLog, pair [2]*instance) {
	t.Helper()
	want := log.replay(t)
	for i, in := range pair {
		if err := in.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		in.mu.RLock()
		if !reflect.DeepEqual(in.state, want) {
			t.Errorf("state of instance %d: got %+v, want that of a replay, %+v", i, in.state, want)
		}
		in.mu.RUnlock()
	}
}
