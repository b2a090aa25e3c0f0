/** The program without its sources and packages, by esbuild. */
import { Ajv } from 'ajv';
import ajvStandalone from 'ajv/dist/standalone/index.js';
import { build, type Metafile, type Plugin } from 'esbuild';
import { openApiSchema } from '../src/model/crd.ts';
import { ajvOptions } from '../src/model/schema-validator.ts';

/** The schema's validator as code: compiling it when the program starts would cost 100 ms and 15 MB. */
const compiledSchema: Plugin = {
  name: 'compiled schema',
  setup(builder) {
    builder.onLoad({ filter: /src\/model\/schema-validator\.ts$/ }, () => {
      const ajv = new Ajv({ ...ajvOptions, code: { source: true, esm: true } });
      const code = ajvStandalone.default(ajv, ajv.compile(openApiSchema()));
      return { contents: `${code}\nexport const validator = () => validate;`, loader: 'js', resolveDir: 'src/model' };
    });
  },
};

/** client-node's configuration needs two of its generated classes; the index would bring the models of the whole API. */
const withoutModels: Plugin = {
  name: 'without models',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/gen\/index\.js$/ }, ({ importer, resolveDir }) =>
      importer.endsWith('client-node/dist/config.js') ? { path: resolveDir, namespace: 'without-models' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'without-models' }, ({ path }) => ({
      resolveDir: path,
      contents: `
        export { createConfiguration } from './gen/configuration.js';
        export { ServerConfiguration } from './gen/servers.js';`,
    }));
  },
};

/** One file, for where one is easy to carry; or a small one with the parts that it imports, of which a command reads its own. */
export type BundleOutput = { outfile: string } | { directory: string };

/**
 * Writes the bundle and, beside it, its source map.
 * With a directory: frp-k8s.js, and parts/*.mjs, which are ES modules wherever they are copied to.
 * @returns what is in it
 */
export async function bundle(output: BundleOutput): Promise<Metafile> {
  const split = 'directory' in output;
  const { metafile } = await build({
    entryPoints: ['src/main.ts'],
    ...(split
      ? {
          outdir: output.directory,
          splitting: true,
          entryNames: 'frp-k8s',
          chunkNames: 'parts/[name]-[hash]',
          outExtension: { '.js': '.mjs' },
        }
      : { outfile: output.outfile }),
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'esm',
    plugins: [compiledSchema, withoutModels],
    // Packages that are CommonJS call `require` for Node's own modules.
    banner: { js: "import { createRequire as frpCreateRequire } from 'node:module'; const require = frpCreateRequire(import.meta.url);" },
    // Less text to read at each start. Names stay, for stack traces that a person can read.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    sourcemap: 'external',
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}
