package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// control puts the broker's own care before kfake's handling of some requests. kfake runs control functions one at a
// time, and waits for each: no other request changes anything meanwhile.
func (b *Broker) control() {
	space := &space{dir: b.config.Dir, min: b.config.MinFree, free: b.config.FreeBytes}
	b.handle(kmsg.Produce, func(r kmsg.Request) (kmsg.Response, error) {
		return guardProduce(r.(*kmsg.ProduceRequest), space)
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
		return guardAlter(r.(*kmsg.AlterConfigsRequest)), nil
	})
	b.handle(kmsg.IncrementalAlterConfigs, func(r kmsg.Request) (kmsg.Response, error) {
		return guardIncrementalAlter(r.(*kmsg.IncrementalAlterConfigsRequest)), nil
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

// guardAlter refuses to configure the broker: the log must never be compacted.
func guardAlter(r *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.AlterConfigsResponse)
	refuse := false
	for _, c := range r.Resources {
		rc := kmsg.NewAlterConfigsResponseResource()
		rc.ResourceType, rc.ResourceName = c.ResourceType, c.ResourceName
		rc.ErrorCode, rc.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(brokerFixed)
		resp.Resources = append(resp.Resources, rc)
		refuse = refuse || c.ResourceType == kmsg.ConfigResourceTypeBroker
	}
	if !refuse {
		return nil
	}
	return resp
}

func guardIncrementalAlter(r *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	refuse := false
	for _, c := range r.Resources {
		rc := kmsg.NewIncrementalAlterConfigsResponseResource()
		rc.ResourceType, rc.ResourceName = c.ResourceType, c.ResourceName
		rc.ErrorCode, rc.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(brokerFixed)
		resp.Resources = append(resp.Resources, rc)
		refuse = refuse || c.ResourceType == kmsg.ConfigResourceTypeBroker
	}
	if !refuse {
		return nil
	}
	return resp
}
