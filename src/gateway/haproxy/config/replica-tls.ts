/**
 * Replicas know each other by a certificate of an authority that issues for nobody else: whoever has another one, or none,
 * neither reads nor writes the tables, and hands nothing over.
 */
import type { UsersSettings } from './rendered.ts';

const identityFile = 'replicas/identity.pem';
const authorityFile = 'replicas/authority.pem';

/** Below the directory; none as long as there is no certificate. */
export const replicaTlsFiles = ({ replicaTls }: UsersSettings): [path: string, text: string][] =>
  replicaTls === undefined
    ? []
    : [
        [identityFile, replicaTls.identityPem],
        [authorityFile, replicaTls.authorityPem],
      ];

/** Of a `bind` and of a `server` line alike. */
export const replicaTlsOptions = `ssl crt ${identityFile} ca-file ${authorityFile} verify required`;
