package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ofTransaction tells whether a request is one that a trap may be for: of those with which messages between
// partitions are sent, too, only the requests that name a transactional id.
func ofTransaction(a asked, frame []byte) bool {
	flexible := map[kmsg.Key]int16{kmsg.Produce: 9, kmsg.InitProducerID: 2}
	from, ok := flexible[a.key]
	if !ok {
		return true
	}
	at := 14 // behind size, kind, version, correlation id and the length of the client id
	if n := int16(binary.BigEndian.Uint16(frame[12:])); n > 0 {
		at += int(n)
	}
	if a.version >= from {
		return frame[at+1] != 0 // no tags, then a length that is 0 for null
	}
	return int16(binary.BigEndian.Uint16(frame[at:])) >= 0
}

// rewrite makes a client stay behind the proxy: it reads the address of the proxy wherever the broker names
// its own.
func (s *session) rewrite(a asked, frame []byte) ([]byte, error) {
	switch a.key {
	case kmsg.Metadata, kmsg.FindCoordinator, kmsg.DescribeCluster:
	case kmsg.ApiVersions:
		// A broker that does not know the version answers in the first one, and is asked again.
		if code := int16(binary.BigEndian.Uint16(frame[8:])); !s.narrow || a.check || code == kerr.UnsupportedVersion.Code {
			return frame, nil
		}
	default:
		return frame, nil
	}
	resp := kmsg.ResponseForKey(a.key.Int16())
	resp.SetVersion(a.version)
	head := 8
	if resp.IsFlexible() && a.key != kmsg.ApiVersions {
		head++ // no tags
	}
	if err := resp.ReadFrom(frame[head:]); err != nil {
		return nil, fmt.Errorf("read a reply to %s: %w", a.key.Name(), err)
	}
	host, text, err := net.SplitHostPort(s.addr())
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return nil, err
	}
	redirect(resp, host, int32(port))
	out := resp.AppendTo(append([]byte(nil), frame[:head]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}

func redirect(resp kmsg.Response, host string, port int32) {
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		for i := range r.Brokers {
			r.Brokers[i].Host, r.Brokers[i].Port = host, port
		}
	case *kmsg.DescribeClusterResponse:
		for i := range r.Brokers {
			r.Brokers[i].Host, r.Brokers[i].Port = host, port
		}
	case *kmsg.FindCoordinatorResponse:
		r.Host, r.Port = host, port
		for i := range r.Coordinators {
			r.Coordinators[i].Host, r.Coordinators[i].Port = host, port
		}
	case *kmsg.ApiVersionsResponse:
		narrow(r)
	}
}

// abort makes a request EndTxn abort.
func abort(a asked, frame []byte) {
	at := len(frame) - 1
	if a.version >= 3 {
		at-- // no tags
	}
	frame[at] = 0
}

// fence makes a reply to EndTxn say PRODUCER_FENCED.
func fence(a asked, frame []byte) {
	at := 12 // behind size, correlation id and throttling
	if a.version >= 3 {
		at++ // no tags
	}
	binary.BigEndian.PutUint16(frame[at:], uint16(kerr.ProducerFenced.Code))
}

// narrow leaves the versions of before KIP-890, with which a client names the partitions of a transaction
// in requests of their own.
func narrow(r *kmsg.ApiVersionsResponse) {
	r.SupportedFeatures, r.FinalizedFeatures = nil, nil
	highest := map[kmsg.Key]int16{kmsg.Produce: 11, kmsg.EndTxn: 4, kmsg.InitProducerID: 4, kmsg.AddPartitionsToTxn: 3, kmsg.TxnOffsetCommit: 4}
	for i := range r.ApiKeys {
		if top, ok := highest[kmsg.Key(r.ApiKeys[i].ApiKey)]; ok {
			r.ApiKeys[i].MaxVersion = min(r.ApiKeys[i].MaxVersion, top)
		}
	}
}
