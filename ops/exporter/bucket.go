package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// BucketConfig says where an export in S3, or in what speaks its protocol, is. It must do conditional writes
// (If-None-Match), as S3 and MinIO do: without them two runs at once could write one manifest over the other.
type BucketConfig struct {
	// URL is s3://BUCKET or s3://BUCKET/PREFIX. The bucket must be there.
	URL string
	// Endpoint is where the service is, http:// or https://, HOST and :PORT; https://s3.amazonaws.com where it is empty.
	Endpoint string
	// Region is where the bucket is; the service is asked where it is empty.
	Region string
	// Retries is how often a call is made before it fails; 0 is some times. Credentials come from AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN or, where these are not set, from ~/.aws/credentials.
	Retries int
}

// ErrBucket is wrapped where a BucketConfig cannot be meant, or there are no credentials.
var ErrBucket = errors.New("no bucket to export to")

// scheme begins the URL of a bucket.
const scheme = "s3://"

// IsBucket tells whether an export is to be in a bucket.
func IsBucket(target string) bool { return strings.HasPrefix(target, scheme) }

// bucket is a Store in S3.
type bucket struct {
	client         *minio.Client
	bucket, prefix string
}

// OpenBucket returns the store in a bucket. It does no I/O but for the credentials.
func OpenBucket(cfg BucketConfig) (Store, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(cfg.URL, scheme), "/")
	if !IsBucket(cfg.URL) || name == "" {
		return nil, fmt.Errorf("%w: %q is not s3://BUCKET/PREFIX", ErrBucket, cfg.URL)
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = "https://s3.amazonaws.com"
	}
	at, err := url.Parse(cfg.Endpoint)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || strings.Trim(at.Path, "/") != "" || at.User != nil {
		return nil, fmt.Errorf("%w: the endpoint %q is not https://HOST:PORT", ErrBucket, at.Redacted())
	}
	creds := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
	if v, err := creds.GetWithContext(nil); err != nil || v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return nil, fmt.Errorf("%w: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor ~/.aws/credentials are there", ErrBucket)
	}
	client, err := minio.New(at.Host, &minio.Options{Creds: creds, Secure: at.Scheme == "https", Region: cfg.Region, MaxRetries: cfg.Retries})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBucket, err)
	}
	return &bucket{client: client, bucket: name, prefix: strings.Trim(prefix, "/")}, nil
}

func (b *bucket) key(name string) string { return path.Join(b.prefix, name) }

// String implements Store.
func (b *bucket) String() string { return scheme + path.Join(b.bucket, b.prefix) }

// Temporary implements Store.
func (b *bucket) Temporary() string { return os.TempDir() }

// Put implements Store. An object is there as a whole or not at all, and durable when the call is answered.
func (b *bucket) Put(ctx context.Context, file, name string) error {
	if _, err := b.client.FPutObject(ctx, b.bucket, b.key(name), file, minio.PutObjectOptions{SendContentMd5: true}); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return os.Remove(file)
}

// Read implements Store.
func (b *bucket) Read(ctx context.Context, name string) ([]byte, error) {
	o, err := b.client.GetObject(ctx, b.bucket, b.key(name), minio.GetObjectOptions{})
	if err == nil {
		var content []byte
		content, err = io.ReadAll(o)
		err = errors.Join(err, o.Close())
		if err == nil {
			return content, nil
		}
	}
	if is(err, minio.NoSuchKey) {
		err = fs.ErrNotExist
	}
	return nil, fmt.Errorf("read %s: %w", name, err)
}

// Create implements Store.
func (b *bucket) Create(ctx context.Context, name string, content []byte) error {
	options := minio.PutObjectOptions{SendContentMd5: true, DisableMultipart: true}
	options.SetMatchETagExcept("*")
	_, err := b.client.PutObject(ctx, b.bucket, b.key(name), bytes.NewReader(content), int64(len(content)), options)
	if is(err, minio.PreconditionFailed) {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return err
}

// is tells whether the service answered with a code.
func is(err error, code string) bool {
	var answer minio.ErrorResponse
	return errors.As(err, &answer) && answer.Code == code
}
