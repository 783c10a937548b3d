package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// metadata says which registry it is, as Confluent's GET /v1/metadata/id does.
type metadata struct {
	Scope struct {
		Path     []string          `json:"path"`
		Clusters map[string]string `json:"clusters"`
	} `json:"scope"`
}

// clusterKey is the name that the id of the Kafka cluster has in metadata.
const clusterKey = "kafka-cluster"

func metadataOf(cluster string) (m metadata) {
	m.Scope.Path = []string{}
	m.Scope.Clusters = map[string]string{}
	if cluster != "" {
		m.Scope.Clusters[clusterKey] = cluster
	}
	return m
}

// Cluster returns the id of the Kafka cluster that the registry keeps its schemas in, "" where it does not tell.
func (c *Client) Cluster(ctx context.Context) (id string, err error) {
	err = c.retry(ctx, func() error {
		id, err = c.cluster(ctx)
		return err
	})
	return id, err
}

func (c *Client) cluster(ctx context.Context) (string, error) {
	var problem error
	for _, url := range c.urls {
		if !strings.Contains(url, "://") {
			url = "http://" + url
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/v1/metadata/id", http.NoBody)
		if err != nil {
			return "", err
		}
		resp, err := c.http.Do(req)
		if err != nil {
			problem = err
			continue
		}
		var m metadata
		if resp.StatusCode == http.StatusOK {
			err = json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&m)
		}
		_ = resp.Body.Close()
		if err != nil {
			return "", fmt.Errorf("read which registry answers at %s: %w", url, err)
		}
		return m.Scope.Clusters[clusterKey], nil
	}
	return "", fmt.Errorf("ask which registry answers: %w", problem)
}
