package keeper

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/internal/certificate"
)

// expiry has the label of the Secret so that replicas that do not lead show nothing.
var expiry = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "exactmatch_service_certificate_expiry_timestamp_seconds",
	Help: "When the certificate of the service expires, in seconds since 1970, whether the manager or cert-manager keeps it; shown by the leading manager.",
}, []string{"secret"})

func init() { metrics.Registry.MustRegister(expiry) }

// show tells when a certificate expires; one that cannot be read tells nothing.
func (k *Keeper) show(pair certificate.Pair) {
	if at, found := certificate.Expiry(pair); found {
		expiry.WithLabelValues(k.Namespace + "/" + k.Name).Set(float64(at.Unix()))
	}
}
