/** What `frp-k8s check` finds by itself of the cluster, the installation, its certificates and its webhooks. */
import { fine, type ReasonText } from './text.ts';

const apply = 'kubectl apply -k manifests/install';

export const installationReasons = {
  Fine: fine('The check has found nothing wrong.'),
  NotReadable: {
    meaning: 'The check could not look, so nothing is known.',
    cause: 'The account has no right to it, or the API server did not answer.',
    remedy: 'Run the check as somebody who may read it; the message names the right.',
  },
  CheckFailed: {
    meaning: 'The check itself failed.',
    cause: 'A fault of the program.',
    remedy: 'Report it with the message.',
  },

  ApiUnreachable: {
    meaning: 'The API server does not answer.',
    cause: 'The kubeconfig names another cluster, its credentials have ended, or the way is closed.',
    remedy: 'See whether kubectl get --raw /version answers.',
  },
  KubernetesTooOld: {
    meaning: 'The cluster is older than Kubernetes 1.30, which has what frp-k8s needs.',
    cause: 'Native sidecars and admission policies are missing in older versions.',
    remedy: 'Update the cluster.',
  },
  ClockSkewed: {
    meaning: 'The clock of the cluster differs from the one of this machine.',
    cause: 'One of the two is not set by NTP. Certificates and tokens are good for a time only.',
    remedy: 'Set the wrong clock right.',
  },
  MayNotInstall: {
    meaning: 'This account may not create what the installation consists of.',
    cause: 'It is no administrator of the cluster.',
    remedy: 'Install as cluster-admin.',
  },

  NamespaceMissing: {
    meaning: 'The namespace of the installation is not there.',
    cause: 'frp-k8s is not installed, or in another namespace.',
    remedy: apply,
  },
  InstallationEnding: {
    meaning: 'The namespace of the installation is being deleted.',
    cause: 'Somebody is removing frp-k8s.',
    remedy: 'Wait until it is gone, or finish with frp-k8s uninstall.',
  },
  CrdMissing: {
    meaning: 'The cluster does not know DistributedServices.',
    cause: 'The CRD was not applied, or was deleted.',
    remedy: 'kubectl apply --server-side -k manifests/crd',
  },
  CrdNotEstablished: {
    meaning: 'The CRD is there, and the API server does not serve it.',
    cause: 'It was applied a moment ago, or its names are taken by another one.',
    remedy: 'kubectl describe crd distributedservices.frp.io',
  },
  CrdDiffers: {
    meaning: 'The CRD of the cluster is not that of this program.',
    cause: 'The program was updated and the CRD was not, or the other way round.',
    remedy: 'kubectl apply --server-side -k manifests/crd',
  },
  WorkloadMissing: {
    meaning: 'A Deployment or StatefulSet of the installation is not there.',
    cause: 'It was deleted, or only a part was applied.',
    remedy: apply,
  },
  ScaledToZero: {
    meaning: 'A part of the installation, or the workload of a service, has no replica.',
    cause: 'Somebody has scaled it down.',
    remedy: 'kubectl -n NAMESPACE scale deployment/NAME --replicas=2',
  },
  WorkloadNotReady: {
    meaning: 'A part of the installation has not all its Pods Ready.',
    cause: 'They are starting, or their readiness fails.',
    remedy: 'kubectl -n NAMESPACE describe pod, and their log.',
  },
  ImageNotPulled: {
    meaning: 'An image cannot be pulled.',
    cause: 'Its name or tag is wrong, the registry is not reached, or it wants credentials.',
    remedy: "Correct the image, or add imagePullSecrets; kubectl describe pod has the registry's answer.",
  },
  ContainerCrashing: {
    meaning: 'A container ends again and again.',
    cause: 'Its log of before says why.',
    remedy: 'kubectl -n NAMESPACE logs POD -c CONTAINER --previous',
  },
  ContainerNotCreated: {
    meaning: 'The kubelet cannot create a container.',
    cause: 'A Secret, ConfigMap or volume that it names is not there.',
    remedy: 'kubectl -n NAMESPACE describe pod POD',
  },
  PodUnschedulable: {
    meaning: 'No node takes a Pod.',
    cause: 'No node has the CPU, the memory or the labels that it asks for.',
    remedy: 'kubectl -n NAMESPACE describe pod POD; add nodes, or ask for less.',
  },
  QuotaExceeded: {
    meaning: 'A ResourceQuota of the namespace lets no further Pod in.',
    cause: 'With its sidecar a Pod asks for more than is left, or for what the quota wants named.',
    remedy: 'Raise the quota, or lower what sidecars ask for (frp.io/sidecar-… annotations).',
  },
  ConfigurationMissing: {
    meaning: 'The ConfigMap with the configuration is not there.',
    cause: 'It was deleted, or has another name than the Deployments mount.',
    remedy: apply,
  },
  ConfigurationInvalid: {
    meaning: 'The configuration is not valid.',
    cause: 'A key has a wrong name or value; the message lists each.',
    remedy: 'Correct config.yaml and apply it again.',
  },
  VersionSkew: {
    meaning: 'Parts of the installation run different images of frp-k8s.',
    cause: 'An update reached only some of them.',
    remedy: 'Apply manifests/install and manifests/gateway with the same image.',
  },
  RightsMissing: {
    meaning: 'A part of the installation lacks rights that it needs.',
    cause: 'A ClusterRole or a binding was changed or deleted.',
    remedy: apply,
  },
  NoLeader: {
    meaning: 'No controller leads, so no Secret is renewed and no status is written.',
    cause: 'No controller runs, or none may write its Lease.',
    remedy: 'kubectl -n frp-system logs deployment/frp-controller',
  },
  OrphanedSecret: {
    meaning: 'A Secret was made for a service that is not there any more.',
    cause: 'The service was deleted while no controller ran, or its finalizer was taken off by hand.',
    remedy: 'Delete it, where no Pod of the service runs any more.',
  },
  OrphanedPod: {
    meaning: 'A Pod has a sidecar for a service that is not there any more.',
    cause: 'The service was deleted and the workload was not.',
    remedy: 'Create the service again, or take frp.io/group off the workload and restart it.',
  },

  AuthorityMissing: {
    meaning: 'The Secret with a certificate authority of the installation is not there.',
    cause: 'It was deleted, or the controller has not started yet.',
    remedy: 'The next start makes another one: kubectl -n frp-system rollout restart deployment/frp-controller deployment/frp-webhook',
  },
  AuthorityUnusable: {
    meaning: 'The Secret with a certificate authority does not hold one.',
    cause: 'It was changed by hand.',
    remedy: 'Restore it from a backup, or delete it for a new authority, which cuts tunnels until their certificates are replaced.',
  },
  AuthorityExpiresSoon: {
    meaning: 'A certificate authority of the installation ends soon.',
    cause: 'It is as old as certificates.authorityLifetime says.',
    remedy: 'frp-k8s rotate ca --accept-outage, or frp-k8s rotate webhook-ca',
  },
  AuthorityForeign: {
    meaning: 'A certificate of the installation was not issued by its authority.',
    cause: 'One of the two Secrets was replaced or restored alone.',
    remedy: 'Delete the Secret of the certificate: the controller issues another one.',
  },
  ServerCertificateMissing: {
    meaning: 'The certificate of the frp server or of the gateway is not there.',
    cause: 'It was deleted, or the controller could not write it.',
    remedy: 'kubectl -n frp-system logs deployment/frp-controller',
  },
  NameNotCovered: {
    meaning: "The gateway's certificate lacks a name that sidecars dial.",
    cause: 'gateway.addresses has changed, and the controller has not issued another one.',
    remedy: 'kubectl -n frp-system logs deployment/frp-controller',
  },

  WebhookMissing: {
    meaning: 'A webhook is not configured, so Pods come without sidecars, or services without checks.',
    cause: 'The configuration was deleted, or an entry was taken out.',
    remedy: apply,
  },
  CaBundleMissing: {
    meaning: 'A webhook has no caBundle, so the API server trusts nobody who answers.',
    cause: 'frp-k8s serve, which writes it, has not run since the configuration was applied.',
    remedy: 'kubectl -n frp-system rollout restart deployment/frp-webhook',
  },
  CaBundleMismatch: {
    meaning: "The caBundle of a webhook is not of the authority that issues the webhooks' certificate.",
    cause: 'Somebody, or a tool that applies manifests, writes another one, and frp-k8s serve does not run to heal it.',
    remedy: 'kubectl -n frp-system rollout restart deployment/frp-webhook',
  },
  WebhookServiceMissing: {
    meaning: 'The Service that a webhook calls is not there, or has another port.',
    cause: 'It was deleted or changed.',
    remedy: apply,
  },
  WebhookNoEndpoints: {
    meaning: 'No Pod answers for the webhooks.',
    cause: 'None of them is Ready, or the Service selects none.',
    remedy: 'kubectl -n frp-system get pods -l app=frp-webhook',
  },
  WebhookUnreachable: {
    meaning: 'The API server cannot ask the webhooks.',
    cause: 'Their Pods are not Ready, the certificate is not trusted, or the network between API server and Pods is closed.',
    remedy: 'kubectl -n frp-system get pods -l app=frp-webhook; open port 8443 from the API server to them.',
  },
  FailurePolicyWeak: {
    meaning: 'While the webhooks are away, Pods that ask for a sidecar come without one.',
    cause: 'failurePolicy was changed to Ignore.',
    remedy: apply,
  },
  WebhookNarrowed: {
    meaning: 'A webhook is not asked about everything that it should be.',
    cause: 'A selector or a rule of it was changed.',
    remedy: apply,
  },
  SidecarNotAdded: {
    meaning: 'A Pod that asks for a sidecar, tried by a dry run, came back without one.',
    cause: 'The webhooks are not asked about Pods of this namespace.',
    remedy: `${apply}; kubectl get namespace NAME --show-labels`,
  },
  SidecarRemoved: {
    meaning: 'A Pod that was injected, tried by a dry run, came back without its sidecar.',
    cause: 'Another webhook takes it out again.',
    remedy: 'See which other webhooks there are: kubectl get mutatingwebhookconfigurations',
  },
  PodRejected: {
    meaning: 'A Pod with a sidecar, tried by a dry run, is refused by somebody else.',
    cause: 'A policy of the namespace, such as Pod Security or a quota, does not take it.',
    remedy: 'Have the policy allow it; the message has its words.',
  },
} as const satisfies Record<string, ReasonText>;
