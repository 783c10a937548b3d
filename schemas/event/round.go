package event

import "strconv"

// RoundEnded says what a projection of several sources folded in a round.
type RoundEnded struct {
	Projection string `avro:"projection"`
	Partition  int32  `avro:"partition"`
	// Begin and End are where the sources stood before and after, in the order in which the projection names them.
	Begin []SourceOffset `avro:"begin"`
	End   []SourceOffset `avro:"end"`
}

// SourceOffset is the next offset to be folded of one source.
type SourceOffset struct {
	Topic  string `avro:"topic"`
	Offset int64  `avro:"offset"`
}

// Key returns the key of the record: of two rounds that begin at one place the later one says all that the earlier
// one does.
func (r *RoundEnded) Key() []byte {
	b := []byte(r.Projection)
	for _, s := range r.Begin {
		b = append(append(b, ' '), s.Topic...)
		b = strconv.AppendInt(append(b, ' '), s.Offset, 10)
	}
	return b
}
