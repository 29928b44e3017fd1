import { exitWith } from '../cli/user-error.ts';
import { main } from './main.ts';

exitWith(main(process.argv.slice(2)));
