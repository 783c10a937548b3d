package event

// Kinds of acts, as they stand in ActRecorded.
const (
	ActOther               = "OTHER"
	ActEffectsReleased     = "EFFECTS_RELEASED"
	ActGenerationCreated   = "GENERATION_CREATED"
	ActGenerationVerified  = "GENERATION_VERIFIED"
	ActGenerationPromoted  = "GENERATION_PROMOTED"
	ActGenerationRolled    = "GENERATION_ROLLED_BACK"
	ActGenerationCancelled = "GENERATION_CANCELLED"
	ActGenerationPaused    = "GENERATION_PAUSED"
	ActGenerationResumed   = "GENERATION_RESUMED"
	ActGenerationCapped    = "GENERATION_CAPPED"
	ActGenerationRetried   = "GENERATION_RETRIED"
	ActRowRetried          = "ROW_RETRIED"
	ActRowDiscarded        = "ROW_DISCARDED"
	ActSnapshotCreated     = "SNAPSHOT_CREATED"
)

// ActRecorded is what an operator or the platform decided, with who and why.
type ActRecorded struct {
	ActID        string          `avro:"act_id"`
	RecordedAt   Micros          `avro:"recorded_at"`
	Principal    string          `avro:"principal"`
	Reason       string          `avro:"reason"`
	Kind         string          `avro:"kind"`
	Projection   string          `avro:"projection"`
	Generation   int64           `avro:"generation"`
	ExpectedLive int64           `avro:"expected_live"`
	Version      int64           `avro:"version"`
	Hash         string          `avro:"hash"`
	Forced       bool            `avro:"forced"`
	Rows         int64           `avro:"rows"`
	Differences  int64           `avro:"differences"`
	Digest       string          `avro:"digest"`
	Positions    []TopicPosition `avro:"positions"`
	Build        string          `avro:"build"`
	Plan         string          `avro:"plan"`
	Snapshot     string          `avro:"snapshot"`
	Keys         []string        `avro:"keys"`
	TouchedBy    string          `avro:"touched_by"`
	MaxRate      int64           `avro:"max_rate"`
	Buckets      []BucketDigest  `avro:"buckets"`
	Effects      []string        `avro:"effects"`
	Row          string          `avro:"row"`
}

// TopicPosition is the next offset to be read of one partition.
type TopicPosition struct {
	Topic     string `avro:"topic"`
	Partition int32  `avro:"partition"`
	Offset    int64  `avro:"offset"`
}

// BucketDigest sums up the rows of one bucket of keys of one partition.
type BucketDigest struct {
	Partition int32  `avro:"partition"`
	Bucket    int32  `avro:"bucket"`
	Digest    string `avro:"digest"`
}
