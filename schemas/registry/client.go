package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/refold/refold/schemas/codec"
)

// ClientConfig sets up a Client.
type ClientConfig struct {
	// URLs are the base addresses of the registry's instances, such as http://127.0.0.1:8081. Of several, each is
	// tried until one answers.
	URLs []string

	// HTTP sends the requests: a client with a time-out of 5 seconds if it is nil.
	HTTP *http.Client

	// Attempts is how often a request is sent that gets no answer, or one that says the registry failed (status 429
	// and from 500 on): 5 if it is 0.
	Attempts int
}

// Client registers and reads Avro schemas in any registry that speaks Confluent's REST API, the one of this package
// among them. Its methods may be called concurrently.
type Client struct {
	api      *sr.Client
	urls     []string
	http     *http.Client
	attempts int

	mu      sync.RWMutex
	schemas map[int]string // guarded by mu; an id never changes its meaning, so nothing is ever dropped
}

// NewClient returns a client. It does not connect; its error is about the configuration.
func NewClient(cfg ClientConfig) (*Client, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("schema registry client: no URL is configured")
	}
	opts := []sr.ClientOpt{sr.URLs(cfg.URLs...), sr.UserAgent("refold")}
	if cfg.HTTP != nil {
		opts = append(opts, sr.HTTPClient(cfg.HTTP))
	}
	api, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("schema registry client for %v: %w", cfg.URLs, err)
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 5
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Timeout: 5 * time.Second}
	}
	return &Client{api: api, urls: cfg.URLs, http: cfg.HTTP, attempts: cfg.Attempts, schemas: map[int]string{}}, nil
}

// Register registers an Avro schema under a subject and returns its id, or the id it has there already. Where the
// registry refuses, the error holds a *sr.ResponseError with its status and code: 409 for an incompatible schema,
// 42201 for an invalid one.
func (c *Client) Register(ctx context.Context, subject, schema string) (id int, err error) {
	err = c.retry(ctx, func() error {
		id, err = c.api.RegisterSchema(ctx, subject, sr.Schema{Schema: schema}, -1, -1)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("register schema of subject %q: %w", subject, err)
	}
	return id, nil
}

// SchemaByID returns the text of a schema; if it refers to other schemas, with their types in their places, so that it
// can be parsed by itself. Each id is asked for once and then kept in memory. It fails with
// codec.ErrNoSchema if the registry has no such id.
func (c *Client) SchemaByID(ctx context.Context, id int) (string, error) {
	c.mu.RLock()
	text, ok := c.schemas[id]
	c.mu.RUnlock()
	if ok {
		return text, nil
	}
	err := c.retry(ctx, func() error {
		schema, err := c.api.SchemaByID(ctx, id)
		if err == nil && len(schema.References) > 0 {
			schema, err = c.api.SchemaByID(sr.WithParams(ctx, sr.Format("resolved")), id)
		}
		text = schema.Schema
		return err
	})
	var refused *sr.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", codec.ErrNoSchema, err)
	}
	if err != nil {
		return "", fmt.Errorf("read schema %d: %w", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schemas[id] = text
	return text, nil
}

// retry calls fn until it succeeds, fails in a way that will not pass, or was called often enough. It waits 50 ms
// after the first call and twice as long after each further one.
func (c *Client) retry(ctx context.Context, fn func() error) error {
	pause := 50 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || attempt >= c.attempts || !passing(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// passing tells whether an error may go away by itself: the registry could not be reached, or says that it failed.
func passing(err error) bool {
	var refused *sr.ResponseError
	if !errors.As(err, &refused) {
		return true
	}
	return refused.StatusCode == http.StatusTooManyRequests || refused.StatusCode >= http.StatusInternalServerError
}
