// Package judges holds our objects against what Argo CD and Flux make of them, by the
// scripts and expressions that the project ships in config/argocd and config/flux.
package judges

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Health is what Argo CD shows of an object: one of its health codes, and why.
type Health struct{ Status, Message string }

// Argo judges by config/argocd, in the Lua that Argo CD offers: the base functions,
// tables, and of os the time.
type Argo struct {
	health    string
	discovery string
	actions   map[string]string
}

// NewArgo reads the scripts below a checkout's root.
func NewArgo(root string) (*Argo, error) {
	folder := filepath.Join(root, "config", "argocd")
	health, err := os.ReadFile(filepath.Join(folder, "health.lua"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "session-actions.yaml"))
	if err != nil {
		return nil, err
	}
	var actions struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}
	if err := yaml.UnmarshalStrict(text, &actions); err != nil {
		return nil, err
	}
	a := &Argo{health: string(health), discovery: actions.Discovery, actions: map[string]string{}}
	for _, one := range actions.Definitions {
		a.actions[one.Name] = one.Action
	}
	return a, nil
}

// Health runs the health check.
func (a *Argo) Health(o *unstructured.Unstructured) (Health, error) {
	out, err := run(a.health, o.Object)
	if err != nil {
		return Health{}, err
	}
	status, _ := out["status"].(string)
	message, _ := out["message"].(string)
	return Health{status, message}, nil
}

// Actions are those that are offered for an object, by name: whether one may be run.
func (a *Argo) Actions(o *unstructured.Unstructured) (map[string]bool, error) {
	out, err := run(a.discovery, o.Object)
	if err != nil {
		return nil, err
	}
	offered := map[string]bool{}
	for name := range a.actions {
		one, ok := out[name].(map[string]any)
		if !ok || len(out) != len(a.actions) {
			return nil, fmt.Errorf("discovery.lua offers %v, and the definitions have %q", out, name)
		}
		disabled, ok := one["disabled"].(bool)
		if !ok {
			return nil, fmt.Errorf("action %s: disabled is %v", name, one["disabled"])
		}
		offered[name] = !disabled
	}
	return offered, nil
}

// Do runs an action and returns the object that Argo CD would write.
func (a *Argo) Do(name string, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	out, err := run(a.actions[name], o.Object)
	return &unstructured.Unstructured{Object: out}, err
}

// run runs a script over an object and returns the table that it returns.
func run(script string, o map[string]any) (map[string]any, error) {
	vm := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer vm.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		vm.Push(vm.NewFunction(open))
		vm.Push(lua.LString(name))
		vm.Call(1, 0)
	}
	vm.PreloadModule("os", openTime)
	vm.SetGlobal("obj", toLua(vm, o))
	if err := vm.DoString(script); err != nil {
		return nil, err
	}
	table, ok := fromLua(vm.Get(-1)).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the script returns %s, not a table", vm.Get(-1).Type())
	}
	return table, nil
}

// openTime is what Argo CD leaves of Lua's os.
func openTime(vm *lua.LState) int {
	whole := vm.NewTable()
	vm.Push(vm.NewFunction(lua.OpenOs))
	vm.Call(0, 1)
	if all, ok := vm.Get(-1).(*lua.LTable); ok {
		for _, name := range []string{"time", "date"} {
			whole.RawSetString(name, all.RawGetString(name))
		}
	}
	vm.Push(whole)
	return 1
}

func toLua(vm *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := vm.NewTable()
		for key, one := range v {
			table.RawSetString(key, toLua(vm, one))
		}
		return table
	case []any:
		table := vm.NewTable()
		for _, one := range v {
			table.Append(toLua(vm, one))
		}
		return table
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	}
	return lua.LNil
}

func fromLua(value lua.LValue) any {
	switch v := value.(type) {
	case *lua.LTable:
		if n := v.Len(); n > 0 {
			list := make([]any, 0, n)
			v.ForEach(func(_, one lua.LValue) { list = append(list, fromLua(one)) })
			return list
		}
		table := map[string]any{}
		v.ForEach(func(key, one lua.LValue) { table[key.String()] = fromLua(one) })
		return table
	case lua.LString:
		return string(v)
	case lua.LBool:
		return bool(v)
	case lua.LNumber:
		return float64(v)
	}
	return nil
}

// Flux judges by the expressions of config/flux.
type Flux map[string]*cel.StatusEvaluator

// NewFlux reads the expressions below a checkout's root, by kind.
func NewFlux(root string) (Flux, error) {
	text, err := os.ReadFile(filepath.Join(root, "config", "flux", "patients.yaml"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	f := Flux{}
	for _, one := range file.Spec.HealthCheckExprs {
		if f[one.Kind], err = cel.NewStatusEvaluator(&one.HealthCheckExpressions); err != nil {
			return nil, fmt.Errorf("%s: %w", one.Kind, err)
		}
	}
	return f, nil
}

// Health evaluates the expressions of the object's kind.
func (f Flux) Health(ctx context.Context, o *unstructured.Unstructured) (status.Status, error) {
	judge, ok := f[o.GetKind()]
	if !ok {
		return "", fmt.Errorf("config/flux has no expressions for the kind %q", o.GetKind())
	}
	got, err := judge.Evaluate(ctx, o)
	if err != nil {
		return "", err
	}
	return got.Status, nil
}
