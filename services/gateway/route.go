package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// routes are the requests that REST paths stand for, by HTTP method and path as the .proto files have it.
type routes map[string]route

// route is what a REST path takes.
type route struct {
	// rpc is the call, as gRPC names it.
	rpc           string
	input, output protoreflect.MessageDescriptor
	// body says that the request comes as the body; otherwise what is not in the path is in the query.
	body bool
}

// routesOf finds the REST paths of services in their descriptors.
func routesOf(services map[string]grpc.ServiceInfo) routes {
	out := make(routes)
	for name := range services {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		service, ok := d.(protoreflect.ServiceDescriptor)
		if err != nil || !ok {
			continue // it was not generated from a .proto file, and has no paths
		}
		for i := range service.Methods().Len() {
			out.add(service.Methods().Get(i))
		}
	}
	return out
}

func (r routes) add(method protoreflect.MethodDescriptor) {
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return
	}
	verb, path := pattern(rule)
	r[routeKey(verb, path)] = route{
		rpc:    string(method.Parent().FullName()) + "/" + string(method.Name()),
		input:  method.Input(),
		output: method.Output(),
		body:   rule.GetBody() != "",
	}
}

// pattern returns the HTTP method and the path of a rule.
func pattern(rule *annotations.HttpRule) (verb, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	}
	return "", ""
}

// routeKey returns the key of a path template; {id=*} is the long form of {id}.
func routeKey(verb, template string) string {
	return verb + " " + strings.ReplaceAll(template, "=*}", "}")
}

// find returns the route of a request whose path matched a pattern.
func (r routes) find(method, pattern string) (route, error) {
	found, ok := r[routeKey(method, pattern)]
	if !ok {
		return route{}, fmt.Errorf("%s %s is not in any .proto file of a registered service", method, pattern)
	}
	return found, nil
}
