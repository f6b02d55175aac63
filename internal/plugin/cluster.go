package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// cluster is the flags that say which cluster and namespace are meant.
type cluster struct {
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
}

// addTo adds kubectl's flags to a command and to all below it.
func (f *cluster) addTo(c *cobra.Command) {
	f.rules = clientcmd.NewDefaultClientConfigLoadingRules()
	set := c.PersistentFlags()
	set.StringVar(&f.rules.ExplicitPath, "kubeconfig", "", "kubeconfig file; default: $KUBECONFIG, else ~/.kube/config")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ContextOverrideFlags.Namespace.ShortName = "n"
	clientcmd.BindOverrideFlags(&f.overrides, set, names)
	_ = c.RegisterFlagCompletionFunc("context", f.completeContexts)
	_ = c.RegisterFlagCompletionFunc("namespace", cobra.NoFileCompletions)
}

func (f *cluster) config() clientcmd.ClientConfig {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(f.rules, &f.overrides)
}

// namespace is the one that is meant: of --namespace, else of the context.
func (f *cluster) namespace() (string, error) {
	name, _, err := f.config().Namespace()
	return name, err
}

// scheme knows our kinds and the ConfigMap that a table is stored in.
func scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	return s, errors.Join(corev1.AddToScheme(s), v1alpha1.AddToScheme(s))
}

// client speaks to the API server as the kubeconfig says.
func (f *cluster) client() (client.WithWatch, error) {
	rest, err := f.config().ClientConfig()
	if err != nil {
		return nil, err
	}
	rest.QPS = -1 // people type slowly, and the API server has its own limits
	kinds, err := scheme()
	if err != nil {
		return nil, err
	}
	return client.NewWithWatch(rest, client.Options{Scheme: kinds})
}

// open is the client and the namespace that is meant.
func (f *cluster) open() (client.WithWatch, string, error) {
	namespace, err := f.namespace()
	if err != nil {
		return nil, "", err
	}
	kube, err := f.client()
	return kube, namespace, err
}

// session gets a session by its name.
func session(ctx context.Context, kube client.Client, namespace, name string) (*v1alpha1.ExactMatchSession, error) {
	o := &v1alpha1.ExactMatchSession{}
	return o, explained(kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o))
}

// explained adds what to do to an error of the API server.
func explained(err error) error {
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%w: install the operator's CustomResourceDefinitions, or name another --context", err)
	}
	return err
}

// completionTime bounds a look at the cluster while a shell waits.
const completionTime = 3 * time.Second

// completeSessions offers the names of the namespace's sessions.
func (f *cluster) completeSessions(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	kube, namespace, err := f.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var list v1alpha1.ExactMatchSessionList
	if err := kube.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range list.Items {
		o := &list.Items[i]
		names = append(names, cobra.CompletionWithDesc(o.Name, reasonOf(o)))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeContexts offers those of the kubeconfig.
func (f *cluster) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	raw, err := f.config().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for name := range raw.Contexts {
		names = append(names, name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
