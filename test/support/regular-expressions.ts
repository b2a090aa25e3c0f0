/** Every regular expression of the program, found in its source: one that is added tomorrow is found as well. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

export interface FoundExpression {
  /** file and line, from the root of the repository */
  where: string;
  source: string;
  flags: string;
}

const root = path.join(import.meta.dirname, '..', '..');
/** What runs in a cluster or reads users' files. */
const folders = ['src', 'webhooks', 'certs'];

/** Literals of the source, each text once; and places where an expression is built at run time, which nothing here can judge. */
export function expressionsInSource(): { literals: FoundExpression[]; built: string[] } {
  const literals = new Map<string, FoundExpression>();
  const built: string[] = [];
  for (const file of folders.flatMap((folder) => sourcesIn(path.join(root, folder)))) {
    const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      const where = () => `${path.relative(root, file)}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
      if (ts.isRegularExpressionLiteral(node)) {
        const [, source = '', flags = ''] = /^\/(.*)\/([a-z]*)$/s.exec(node.text) ?? [];
        if (!literals.has(node.text)) literals.set(node.text, { where: where(), source, flags });
      }
      if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === 'RegExp') built.push(where());
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  return { literals: [...literals.values()], built };
}

const sourcesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => path.join(folder, name));
