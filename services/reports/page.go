package reports

import (
	"encoding/binary"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// decodePage returns the page before that a request asks to go on from.
func decodePage(r *bankv1.ListEntriesRequest) (position.Page, error) {
	p, err := position.DecodePage(r.GetPageToken(), statementOf(r))
	if err != nil {
		return p, query.Wrong(query.ReasonBadToken, "page_token", "is not a token of this statement: begin with the first page")
	}
	return p, nil
}

// statementOf tells the statement that is asked for from others: page tokens are of one account, span and moment.
func statementOf(r *bankv1.ListEntriesRequest) []byte {
	b := []byte(r.GetAccountId())
	for _, t := range []*timestamppb.Timestamp{r.GetFrom(), r.GetTo(), r.GetAsOfTime()} {
		if t == nil {
			b = append(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint64(append(b, 1), uint64(t.GetSeconds()))
		b = binary.BigEndian.AppendUint32(b, uint32(t.GetNanos()))
	}
	return append(b, r.GetAsOfPosition()...)
}
