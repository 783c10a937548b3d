package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/registry"
	"github.com/refold/refold/streams/cluster"
)

// bank is a broker, a schema registry and owners of the journal, each a process of its own.
type bank struct {
	*battery
	name       string
	dir        string
	partitions int
	broker     *process
	kafka      string
	schemas    *process
	registry   string
	owners     []*owner
	others     []*process // whatever else there is, in the order in which it was started
	cleanup    func()     // when every process has ended; it may be nil
}

// owner is a process that takes commands and owns partitions, behind a proxy of its own.
type owner struct {
	*process
	proxy *proxy
	conn  *grpc.ClientConn
	http  string // where REST listens

	mu   sync.Mutex
	busy bool // guarded by mu; a fault is under way
}

// newBank makes the folders of a bank, and starts its broker and its registry.
func (b *battery) newBank(name string, partitions int, brokerArgs ...string) (*bank, error) {
	k, err := b.emptyBank(name, partitions)
	if err != nil {
		return k, err
	}
	if k.kafka, err = freeAddress(); err != nil {
		return k, err
	}
	k.broker = &process{
		name: "broker", dir: k.dir, ready: "Kafka", program: b.self,
		args: append([]string{"broker", "--dir", k.dir, "--listen", k.kafka}, brokerArgs...),
	}
	if b.real {
		k.broker = b.realKafka(k.dir, k.kafka)
	}
	return k, errors.Join(k.broker.start(), k.startRegistry())
}

// emptyBank makes the folder of a bank.
func (b *battery) emptyBank(name string, partitions int) (*bank, error) {
	k := &bank{battery: b, name: name, dir: filepath.Join(b.dir, name), partitions: partitions, broker: &process{}, schemas: &process{}}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make bank %s: %w", name, err)
	}
	return k, nil
}

func (k *bank) startRegistry() (err error) {
	if k.registry, err = freeAddress(); err != nil {
		return err
	}
	k.schemas = k.refold("registry", "serve", "--role=registry", "--kafka", k.kafka, "--registry", k.registry, "--operators", "")
	return k.schemas.start()
}

// refold returns a process of the program with a data folder of its own.
func (k *bank) refold(name string, args ...string) *process {
	return &process{
		name: name, dir: k.dir, ready: "Data", program: k.program,
		args: append(args, "--data", filepath.Join(k.dir, name), "--log-level", "info", "--partitions", fmt.Sprint(k.partitions)),
	}
}

// ownerKind says what is particular about an owner.
type ownerKind int

const (
	plainOwner   ownerKind = iota
	narrowOwner            // its proxy is narrow
	clockedOwner           // its clock can be set
	directOwner            // it has no proxy
)

// addOwner starts an owner.
func (k *bank) addOwner(kind ownerKind) error {
	at := k.kafka
	var x *proxy
	if kind != directOwner {
		var err error
		if x, err = newProxy(k.kafka); err != nil {
			return err
		}
		x.narrow, at = kind == narrowOwner, x.addr()
	}
	grpcAddress, err := freeAddress()
	if err != nil {
		return err
	}
	httpAddress, err := freeAddress()
	if err != nil {
		return err
	}
	name := fmt.Sprint("owner-", len(k.owners)+1)
	where := []string{"--kafka", at, "--registry-url", "http://" + k.registry, "--grpc", grpcAddress, "--http", httpAddress, "--operators", ""}
	p := k.refold(name, append([]string{"serve", "--role=transactions"}, where...)...)
	if kind == clockedOwner {
		p.program, p.args = k.self, append([]string{"owner", "--data", filepath.Join(k.dir, name), "--partitions", fmt.Sprint(k.partitions)}, where...)
	}
	o := &owner{process: p, proxy: x, http: httpAddress}
	if x != nil {
		x.owner = o
		go x.accept()
	}
	if o.conn, err = dial(grpcAddress); err != nil {
		return err
	}
	k.owners = append(k.owners, o)
	return p.start()
}

func dial(address string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}, MinConnectTimeout: time.Second,
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// claim takes an owner for a fault, if no other fault is under way there.
func (o *owner) claim() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		return false
	}
	o.busy = true
	return true
}

func (o *owner) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = false
}

// close ends every process: the owners are asked to, which lets them finish.
func (k *bank) close() {
	for _, o := range k.owners {
		o.process.close()
		_ = o.conn.Close()
		if o.proxy != nil {
			o.proxy.close()
		}
	}
	k.schemas.close()
	for _, p := range slices.Backward(k.others) {
		p.close()
	}
	k.broker.close()
	if k.cleanup != nil {
		k.cleanup()
	}
}

// alone returns which processes have ended by themselves.
func (k *bank) alone() []string {
	out := append(k.broker.alone(), k.schemas.alone()...)
	for _, o := range k.owners {
		out = append(out, o.alone()...)
	}
	for _, p := range k.others {
		out = append(out, p.alone()...)
	}
	return out
}

func (k *bank) cluster() cluster.Cluster {
	return cluster.Cluster{Seeds: strings.Split(k.kafka, ","), ClientID: "battery"}
}

func (k *bank) codec() (*codec.Codec, error) {
	c, err := registry.NewClient(registry.ClientConfig{URLs: []string{"http://" + k.registry}})
	if err != nil {
		return nil, err
	}
	return codec.New(c), nil
}

// verify runs `refold verify` and returns what it says where not all is well.
func (k *bank) verify(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, k.program, "verify", "--kafka", k.kafka, "--registry", k.registry).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == notAllWell {
		return strings.TrimSpace(string(out)), nil
	}
	if err != nil {
		return "", fmt.Errorf("verify %s: %w: %s", k.name, err, out)
	}
	return "", nil
}

// notAllWell is the exit code of a refold that did its work and what it found is not well.
const notAllWell = 3
