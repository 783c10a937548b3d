package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// control puts the broker's own care before kfake's handling of some requests. kfake runs control functions one at a
// time, and waits for each: no other request changes anything meanwhile.
func (b *Broker) control() {
	space := &space{dir: b.config.Dir, min: b.config.MinFree, free: b.config.FreeBytes}
	b.handle(kmsg.Produce, func(r kmsg.Request) (kmsg.Response, error) {
		return guardProduce(r.(*kmsg.ProduceRequest), space, b.config.Clock().Add(maxAhead))
	})
	b.handle(kmsg.Fetch, func(r kmsg.Request) (kmsg.Response, error) {
		boundFetch(r.(*kmsg.FetchRequest))
		return nil, nil
	})
	b.handle(kmsg.DeleteRecords, func(r kmsg.Request) (kmsg.Response, error) {
		return b.deleteRecords(r.(*kmsg.DeleteRecordsRequest)), nil
	})
	b.handle(kmsg.DeleteTopics, func(r kmsg.Request) (kmsg.Response, error) {
		return b.deleteTopics(r.(*kmsg.DeleteTopicsRequest)), nil
	})
	b.handle(kmsg.AlterConfigs, func(r kmsg.Request) (kmsg.Response, error) {
		return b.guardAlter(r.(*kmsg.AlterConfigsRequest)), nil
	})
	b.handle(kmsg.IncrementalAlterConfigs, func(r kmsg.Request) (kmsg.Response, error) {
		return b.guardIncrementalAlter(r.(*kmsg.IncrementalAlterConfigsRequest)), nil
	})
	b.handle(kmsg.CreatePartitions, func(r kmsg.Request) (kmsg.Response, error) {
		return b.guardWiden(r.(*kmsg.CreatePartitionsRequest)), nil
	})
}

// handle lets f answer requests of a kind. Where f returns nothing, kfake does.
//
// The function is registered anew at each request: kfake keeps the last request of every connection there ever was
// for as long as it keeps the function.
func (b *Broker) handle(key kmsg.Key, f func(kmsg.Request) (kmsg.Response, error)) {
	b.cluster.ControlKey(key.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		resp, err := f(r)
		b.cluster.DropControl()
		b.handle(key, f)
		return resp, err, resp != nil || err != nil
	})
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
