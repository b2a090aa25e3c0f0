/** Options of fastify for a server whose bodies have no schemas: it loads its compilers of them only where nobody gives others. */
import type { FastifyServerOptions } from 'fastify';

const refuse = (): never => {
  throw new Error('this server has no schemas');
};

export const withoutSchemas = {
  schemaController: { compilersFactory: { buildValidator: () => refuse, buildSerializer: () => refuse } },
} satisfies FastifyServerOptions;
