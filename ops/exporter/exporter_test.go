package exporter

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/topic"
)

// bank is a log and an export of it.
type bank struct {
	t      *testing.T
	store  Store // that of cfg, without faults
	broker *fake.Broker
	cfg    Config
	posted int
	want   []string // the rows that must be there: event and account
}

// everywhere runs a test of an export into each kind of store.
func everywhere(t *testing.T, test func(*bank)) {
	for name, open := range map[string]func(*testing.T) Store{"folder": newFolder, "bucket": newBucket} {
		t.Run(name, func(t *testing.T) { test(newBank(t, open(t))) })
	}
}

func newFolder(t *testing.T) Store {
	t.Helper()
	store, err := OpenFolder(filepath.Join(t.TempDir(), "export"))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func newBank(t *testing.T, to Store) *bank {
	t.Helper()
	b := &bank{t: t, broker: fake.New(t, 2), store: to}
	b.cfg = Config{Cluster: b.broker.Cluster, Codec: codec.New(new(codec.Local)), Topic: topic.Transactions, To: to}
	return b
}

// post commits an entry on two accounts, and something that is no entry, to a partition.
func (b *bank) post(partition int32) {
	b.t.Helper()
	b.posted++
	id := fmt.Sprintf("event-%d", b.posted)
	entry := &event.EntryPosted{
		Envelope: event.Envelope{EventID: id, CustomerID: "c1"}, Kind: event.EntryTransfer, Merchant: "=1+1", Category: "fuel",
		Legs: []event.Leg{{AccountID: "c1.a", AmountMinor: -5, Currency: "EUR"}, {AccountID: "c2.b", AmountMinor: 5, Currency: "EUR"}, {AccountID: "@world.0.EUR", Currency: "EUR"}},
	}
	records := make([]fake.Record, 0, 2)
	for name, e := range map[string]any{event.NameEntryPosted: entry, event.NameAccountFrozen: &event.AccountFrozen{Envelope: event.Envelope{EventID: "x"}}} {
		encoder, err := b.cfg.Codec.Encoder(b.t.Context(), topic.Transactions, name)
		if err != nil {
			b.t.Fatal(err)
		}
		value, err := encoder.Append(nil, e)
		if err != nil {
			b.t.Fatal(err)
		}
		records = append(records, fake.Record{Topic: topic.Transactions, Partition: partition, Key: []byte("c1"), Value: value})
	}
	b.broker.Commit(records...)
	b.want = append(b.want, id+" c1.a", id+" c2.b")
}

func (b *bank) export() Manifest {
	b.t.Helper()
	m, err := Run(b.t.Context(), b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// loaded returns the rows that a reader gets who loads what the manifests name.
func (b *bank) loaded() (rows []string) {
	b.t.Helper()
	for n := int64(1); ; n++ {
		var m Manifest
		stored, err := b.store.Read(b.t.Context(), manifestName(n))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil {
			err = json.Unmarshal(stored, &m)
		}
		if err != nil {
			b.t.Fatal(err)
		}
		for _, f := range m.Files {
			rows = append(rows, b.load(f)...)
		}
	}
	slices.Sort(rows)
	return rows
}

// columns are those of every file of entries: programs read them by their names.
const columns = "partition,offset,leg,event_id,recorded_at,occurred_at,kind,customer_id,account_id,amount_minor,currency," +
	"balance_after_minor,account_seq,merchant,mcc,source_category,category,refund_of,reverses"

// load returns the rows of a file, whatever its format.
func (b *bank) load(f File) (rows []string) {
	b.t.Helper()
	content, err := b.store.Read(b.t.Context(), f.Name)
	if err != nil {
		b.t.Fatal(err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 {
		b.t.Errorf("%s has another digest than %s", f.Name, f.SHA256)
	}
	if strings.HasSuffix(f.Name, ".parquet") {
		return b.loadParquet(f, content)
	}
	lines, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil || int64(len(lines)-1) != f.Rows || strings.Join(lines[0], ",") != columns {
		b.t.Fatalf("%s: got %v, %v, want %d rows", f.Name, lines, err, f.Rows)
	}
	for _, l := range lines[1:] {
		rows = append(rows, l[3]+" "+l[8])
		if l[13] != "'=1+1" || l[15] != "fuel" || l[16] != "fuel" || l[9] != map[string]string{"c1.a": "-5", "c2.b": "5"}[l[8]] || l[0] != fmt.Sprint(f.Partition) {
			b.t.Errorf("got %q", l)
		}
	}
	return rows
}

func (b *bank) whole() {
	b.t.Helper()
	slices.Sort(b.want)
	if got := b.loaded(); !slices.Equal(got, b.want) {
		b.t.Errorf("got rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(b.want, "\n"))
	}
}

func TestEveryRowOnce(t *testing.T) {
	everywhere(t, func(b *bank) {
		if m := b.export(); m.Number != 0 {
			b.t.Errorf("got %+v of an empty log", m)
		}
		b.post(0)
		b.post(1)
		if m := b.export(); m.Number != 1 || len(m.Files) != 2 || m.Files[0].From != 0 || m.Files[0].Rows != 2 {
			b.t.Errorf("got %+v", m)
		}
		if m := b.export(); m.Number != 0 {
			b.t.Errorf("got %+v where nothing was new", m)
		}
		b.post(1)
		if m := b.export(); m.Number != 2 || len(m.Files) != 1 || m.Files[0].Partition != 1 || m.Files[0].From == 0 || m.Previous == "" {
			b.t.Errorf("got %+v, want the new part of one partition", m)
		}
		b.whole()
		b.tidy()
	})
}

// A record that cannot be read ends a run, and nothing is passed over.
func TestRecordThatCannotBeRead(t *testing.T) {
	everywhere(t, func(b *bank) {
		b.post(0)
		b.broker.Commit(fake.Record{Topic: topic.Transactions, Partition: 0, Value: []byte("torn")})
		if _, err := Run(b.t.Context(), b.cfg); !errors.Is(err, codec.ErrNotWireFormat) {
			b.t.Errorf("got %v", err)
		}
		b.tidy()
	})
}

// Of two runs at once one fails where both would publish the same number, and the other one's rows stand.
func TestTwoRunsAtOnce(t *testing.T) {
	everywhere(t, func(b *bank) {
		b.post(0)
		log, err := b.cfg.log(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		m := b.export()
		if err := b.cfg.publish(b.t.Context(), Manifest{Number: 1, Topic: b.cfg.Topic, Log: log}); !errors.Is(err, fs.ErrExist) {
			b.t.Errorf("got %v, want that it is there", err)
		}
		if err := b.cfg.publish(b.t.Context(), m); err != nil {
			b.t.Errorf("the same again: got %v", err)
		}
		b.whole()
	})
}

func TestManifestsThatDoNotFollow(t *testing.T) {
	for name, spoil := range map[string]func(*bank) error{
		"changed": func(b *bank) error {
			path := filepath.Join(b.store.String(), manifestName(1))
			stored, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, append(stored, ' '), 0o600))
		},
		"no JSON": func(b *bank) error {
			return os.WriteFile(filepath.Join(b.store.String(), manifestName(2)), []byte("{"), 0o600)
		},
		"another folder's": func(b *bank) error {
			return os.Rename(filepath.Join(b.store.String(), manifestName(2)), filepath.Join(b.store.String(), manifestName(1)))
		},
		"another log's": func(b *bank) error {
			m := Manifest{Number: 1, Topic: b.cfg.Topic, Log: "00"}
			stored, err := json.Marshal(m)
			return errors.Join(err, os.Remove(filepath.Join(b.store.String(), manifestName(2))), os.WriteFile(filepath.Join(b.store.String(), manifestName(1)), stored, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, newFolder(t))
			for range 2 {
				b.post(0)
				b.export()
			}
			if err := spoil(b); err != nil {
				t.Fatal(err)
			}
			if _, err := Run(t.Context(), b.cfg); !errors.Is(err, ErrManifest) {
				t.Errorf("got %v, want ErrManifest", err)
			}
		})
	}
}

// tidy checks that no file is left that is not whole.
func (b *bank) tidy() {
	b.t.Helper()
	if left, err := filepath.Glob(filepath.Join(b.store.Temporary(), "*"+growing)); err != nil || len(left) > 0 {
		b.t.Errorf("got %q left over, %v", left, err)
	}
}
