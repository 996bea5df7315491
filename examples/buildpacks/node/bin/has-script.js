// Exits with 0 when package.json has a script of this name.
const { scripts = {} } = JSON.parse(require('fs').readFileSync('package.json', 'utf8'));

process.exit(typeof scripts[process.argv[2]] === 'string' ? 0 : 1);
