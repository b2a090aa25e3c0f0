/** What versions of frpc do, as far as it can be told from an image's tag. */

/** The last one whose health check never forgets a failure (frp client/health/health.go, `failedTimes`). */
const forgetsNothing = [0, 71, 0] as const;

/** Whether frpc counts all failures of a health check since its start. False for an image whose tag is no version. */
export function countsAllFailures(image: string): boolean {
  const tag = /:v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?:-[\w.-]*)?(?:@sha256:[0-9a-f]+)?$/.exec(image);
  if (!tag) return false;
  const [, ...version] = tag.map(Number);
  const differing = forgetsNothing.findIndex((part, index) => part !== version[index]);
  return differing < 0 || version[differing]! < forgetsNothing[differing]!;
}
