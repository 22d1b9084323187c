// Verdicts of those who wait for objects: kstatus (Flux, kubectl wait plugins) and a Lua rule as Argo CD runs it.
//
// Reads one JSON object a line from standard input, the Lua rule from the file named by the only argument, and prints
// for each object a line of JSON: {"kstatus": "Current", "message": "...", "lua": "Healthy"}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func toLua(state *lua.LState, value any) lua.LValue {
	switch it := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, inner := range it {
			table.RawSetString(key, toLua(state, inner))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, inner := range it {
			table.Append(toLua(state, inner))
		}
		return table
	case string:
		return lua.LString(it)
	case bool:
		return lua.LBool(it)
	case float64:
		return lua.LNumber(it)
	case int64:
		return lua.LNumber(it)
	}
	return lua.LNil
}

func health(rule string, object map[string]any) (string, error) {
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(rule); err != nil {
		return "", err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", fmt.Errorf("the rule returns no table")
	}
	return answer.RawGetString("status").String(), nil
}

func main() {
	rule, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			panic(err)
		}
		result, err := status.Compute(object)
		if err != nil {
			panic(err)
		}
		verdict, err := health(string(rule), object.Object)
		if err != nil {
			panic(err)
		}
		_ = out.Encode(map[string]string{"kstatus": result.Status.String(), "message": result.Message, "lua": verdict})
	}
}
