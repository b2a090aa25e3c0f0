/** The cluster's end of a link as a program: joins with the token of its first argument, and tells what becomes of the link. */
import { HeldLink } from '../../src/link/held-link.ts';
import { endOf } from '../unit/link/ends.ts';
import { joinAs, serviceItem } from '../unit/link/joined.ts';

const [token = '', proxy] = process.argv.slice(2);
const identity = await joinAs(token, proxy);
const { inbox, outbox } = endOf();
outbox.set(serviceItem('api'));
new HeldLink({
  identity: () => identity,
  renewed: async () => {},
  outbox,
  inbox,
  proxy: () => proxy,
  changed: (state) => console.log(state.isUp ? `up at ${state.address}` : `down: ${state.message}`),
});
