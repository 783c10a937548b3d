package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// control puts the broker's own care before kfake's handling of each request. kfake runs control functions one at a
// time, and waits for each: no other request changes anything meanwhile.
//
// The function is registered anew at each request: kfake keeps the last request of every connection there ever was
// for as long as it keeps the function.
func (b *Broker) control() {
	space := &space{dir: b.config.Dir, min: b.config.MinFree, free: b.config.FreeBytes}
	var control func(kmsg.Request) (kmsg.Response, error, bool)
	control = func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.barrier.handling(b.writers.work(r))
		resp, err := b.guard(r, space)
		b.cluster.DropControl()
		b.cluster.Control(control)
		return resp, err, resp != nil || err != nil
	}
	b.cluster.Control(control)
}

// guard answers what kfake must not. Where it returns nothing, kfake answers.
func (b *Broker) guard(r kmsg.Request, s *space) (kmsg.Response, error) {
	switch r := r.(type) {
	case *kmsg.ProduceRequest:
		return guardProduce(r, s, b.config.Clock().Add(maxAhead))
	case *kmsg.FetchRequest:
		boundFetch(r)
	case *kmsg.DeleteRecordsRequest:
		return b.deleteRecords(r), nil
	case *kmsg.DeleteTopicsRequest:
		return b.deleteTopics(r), nil
	case *kmsg.AlterConfigsRequest:
		return b.guardAlter(r), nil
	case *kmsg.IncrementalAlterConfigsRequest:
		return b.guardIncrementalAlter(r), nil
	case *kmsg.CreatePartitionsRequest:
		return b.guardWiden(r), nil
	}
	return nil, nil
}

const brokerFixed = "the configuration of the embedded broker is fixed"

// fixed tells whether a configuration must stay as it is: that of the broker, whose log must never be compacted, and
// those of the topics that are kept.
func (b *Broker) fixed(kind kmsg.ConfigResourceType, name string) bool {
	return kind == kmsg.ConfigResourceTypeBroker || kind == kmsg.ConfigResourceTypeTopic && slices.Contains(b.config.Keep, name)
}

// guardWiden refuses more partitions for a topic that is kept: every key would move.
func (b *Broker) guardWiden(r *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.CreatePartitionsResponse)
	refuse := false
	for _, t := range r.Topics {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = t.Topic, kerr.PolicyViolation.Code, kmsg.StringPtr(brokerFixed)
		resp.Topics = append(resp.Topics, rt)
		refuse = refuse || slices.Contains(b.config.Keep, t.Topic)
	}
	if !refuse {
		return nil
	}
	return resp
}

// guardAlter refuses to configure what is fixed.
func (b *Broker) guardAlter(r *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.AlterConfigsResponse)
	refuse := false
	for _, c := range r.Resources {
		rc := kmsg.NewAlterConfigsResponseResource()
		rc.ResourceType, rc.ResourceName = c.ResourceType, c.ResourceName
		rc.ErrorCode, rc.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(brokerFixed)
		resp.Resources = append(resp.Resources, rc)
		refuse = refuse || b.fixed(c.ResourceType, c.ResourceName)
	}
	if !refuse {
		return nil
	}
	return resp
}

func (b *Broker) guardIncrementalAlter(r *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	refuse := false
	for _, c := range r.Resources {
		rc := kmsg.NewIncrementalAlterConfigsResponseResource()
		rc.ResourceType, rc.ResourceName = c.ResourceType, c.ResourceName
		rc.ErrorCode, rc.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(brokerFixed)
		resp.Resources = append(resp.Resources, rc)
		refuse = refuse || b.fixed(c.ResourceType, c.ResourceName)
	}
	if !refuse {
		return nil
	}
	return resp
}
