/** What a gateway of this machine (`frp-k8s gateway up`) knows, without a cluster. */
import { UserError } from '../errors.ts';
import type { ServiceReport, Trace } from '../gateway/api/report-types.ts';
import type { Explanation } from './explanation.ts';
import { unknown } from './explanation.ts';
import { questionPath, subjectOf, traceSections, type HostQuestion } from './host.ts';
import { askAll, reachDirectory } from './reach.ts';
import { reportSections } from './service.ts';

/** @throws UserError where the gateway cannot be asked, or knows no such service */
export async function explainAtHome(directory: string, question: HostQuestion | { service: string }): Promise<Explanation> {
  const reach = reachDirectory(directory);
  if ('service' in question) {
    const { heard, problems } = await askAll<ServiceReport>(reach, `/api/services/${question.service}`);
    if (heard.length === 0) throw new UserError(problems.join('; '));
    const [namespace = '', name = ''] = question.service.split('/');
    return { subject: { kind: 'DistributedService', namespace, name }, sections: reportSections(question.service, heard, Date.now()) };
  }
  const { heard, problems } = await askAll<Trace>(reach, questionPath(question));
  return {
    subject: subjectOf(question),
    sections: [...traceSections(heard), { title: 'Not known', lines: problems.map((problem) => unknown(problem)) }],
  };
}
