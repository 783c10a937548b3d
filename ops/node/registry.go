package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/registry"
	"github.com/refold/refold/streams/feed"
	"github.com/refold/refold/streams/topic"
)

// openRegistry serves the registry, where that is a role of the node, and makes the codec.
func (n *Node) openRegistry(ctx context.Context) error {
	url := n.cfg.RegistryURL
	if n.cfg.has(Registry) && url == "" {
		address, err := n.serveRegistry(ctx)
		if err != nil {
			return err
		}
		url = "http://" + address
		n.addresses.Registry = address
	}
	client, err := registry.NewClient(registry.ClientConfig{URLs: strings.Split(url, ",")})
	if err != nil {
		return err
	}
	n.codec = codec.New(client)
	return n.checkRegistry(ctx, client, url)
}

// checkRegistry refuses a registry that keeps its schemas in another cluster: its ids would mean other schemas. One that
// does not answer now may be asked later, and one that does not tell is believed.
func (n *Node) checkRegistry(ctx context.Context, client *registry.Client, url string) error {
	if n.cfg.has(Registry) && n.cfg.RegistryURL == "" {
		return nil
	}
	of, err := client.Cluster(ctx)
	if err != nil || of == "" || of == n.clusterID {
		return nil
	}
	return fmt.Errorf("registry.urls: the registry at %s is that of the Kafka cluster %s, and kafka.brokers are those of %s", url, of, n.clusterID)
}

func (n *Node) serveRegistry(ctx context.Context) (string, error) {
	f, err := feed.Open(n.cluster, topic.Schemas)
	if err != nil {
		return "", err
	}
	n.parts.add("registry feed", func() error { f.Close(); return nil })
	s := registry.New(f, registry.Config{Logger: n.cfg.Logger, Cluster: n.clusterID})
	n.parts.start("registry", s.Run)
	if err := s.Ready(ctx); err != nil {
		return "", err
	}
	l, err := listen(ctx, n.cfg.Listen.Registry)
	if err != nil {
		return "", fmt.Errorf("registry: %w", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second}
	n.parts.start("registry server", func(ctx context.Context) error { return serveHTTP(ctx, server, l) })
	return l.Addr().String(), nil
}

func serveHTTP(ctx context.Context, s *http.Server, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
