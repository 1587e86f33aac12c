// Runs the declarative Jenkinsfiles of this repository. `sh`, `build` and `lock` really happen; the
// steps of other plugins are only recorded. An unknown step or parameter is an error, so that a
// misspelt one fails here and not in Jenkins. As in Jenkins, a job's first run has its parameters in
// `params` only, not in the shell, and an aborted `sh` gets SIGTERM (create FOLDER/abort).
//
//   groovy.ui.GroovyMain Runner.groovy REMOTE FOLDER JOB [NAME=VALUE…]
//
// Every run clones REMOTE into a new workspace under FOLDER and appends what it does to FOLDER/record,
// one JSON object per line. Locks are files under FOLDER/locks, so that several runners share them.
import groovy.json.JsonOutput
import java.nio.channels.FileChannel
import java.nio.file.Path
import java.nio.file.StandardOpenOption
import org.codehaus.groovy.control.CompilerConfiguration

class Failed extends RuntimeException { Failed(String message) { super(message) } }

class Jenkins {
    static final Map JOBS = [image: 'Jenkinsfile'].withDefault { String job -> "jenkins/${job}".toString() }
    String remote
    File folder

    Map run(String job, Map given, List causes) {
        String name = job - 'generic-consumer/'
        int number = next(name)
        File workspace = new File(folder, "workspaces/${name}-${number}")
        command(['git', 'clone', '--quiet', remote, workspace.path])
        def config = new CompilerConfiguration(scriptBaseClass: Jenkinsfile.name)
        Jenkinsfile file = (Jenkinsfile) new GroovyShell(getClass().classLoader, new Binding(), config)
            .parse(new File(workspace, JOBS[name]).text, "Job_${name}.groovy")
        file.begin(this, name, number, workspace, given, causes)
        record(run: file.id, kind: 'begin', what: given)
        String result = 'SUCCESS'
        try {
            file.run()
        } catch (Failed failed) {
            result = 'FAILURE'
            System.err.println("${file.id}: ${failed.message}")
        }
        record(run: file.id, kind: 'end', what: result, variables: file.own)
        [result: result, buildVariables: file.own]
    }

    static Map user() { [_class: 'hudson.model.Cause$UserIdCause', userId: 'somebody'] }
    static Map upstream(String id) {
        def (String job, String number) = (id =~ /(.+)-(\d+)$/)[0][1..2]
        [
            _class: 'org.jenkinsci.plugins.workflow.support.steps.build.BuildUpstreamCause',
            upstreamProject: "generic-consumer/${job}".toString(),
            upstreamBuild: number as int
        ]
    }

    int next(String job) {
        locked("number-${job}") {
            File file = new File(folder, "numbers-${job}")
            int number = (file.exists() ? file.text as int : 0) + 1
            file.text = number
            number
        }
    }

    def locked(String name, Closure body) {
        File file = new File(folder, "locks/${name}")
        file.parentFile.mkdirs()
        def open = FileChannel.open(file.toPath(), StandardOpenOption.CREATE, StandardOpenOption.WRITE)
        try {
            // Taking a lock twice in one chain throws here; Jenkins would wait for ever.
            open.lock()
            body()
        } finally {
            open.close()
        }
    }

    void record(Map what) {
        new File(folder, 'record').withWriterAppend { it << JsonOutput.toJson(what) + '\n' }
    }

    static void command(List parts) {
        def process = new ProcessBuilder(parts*.toString()).redirectErrorStream(true).start()
        String output = process.inputStream.text
        if (process.waitFor() != 0) { throw new Failed("${parts.join(' ')}: ${output}") }
    }
}

abstract class Jenkinsfile extends Script {
    Jenkins jenkins
    String id
    File workspace
    Map given
    Map variables = [:]
    Map own = [:]
    Map parameters = [:]
    boolean agent = false
    int locks = 0
    int number
    String section = ''
    List conditions
    Closure work
    Closure always

    void begin(Jenkins jenkins, String name, int number, File workspace, Map given, List causes) {
        this.jenkins = jenkins
        this.number = number
        this.workspace = workspace
        this.given = given
        id = "${name}-${number}"
        variables += [BUILD_NUMBER: "${number}".toString(), BUILD_URL: "https://jenkins.example.com/job/generic-consumer/job/${name}/${number}/".toString()]
        if (System.getenv('GIT_PREVIOUS_SUCCESSFUL_COMMIT')) {
            variables.GIT_PREVIOUS_SUCCESSFUL_COMMIT = System.getenv('GIT_PREVIOUS_SUCCESSFUL_COMMIT')
        }
        binding.setVariable('params', parameters)
        binding.setVariable('env', new Environment(file: this))
        binding.setVariable('currentBuild', new CurrentBuild(causes: causes))
        binding.setVariable('none', 'none')
    }

    static class CurrentBuild {
        String description
        List causes
        List getBuildCauses() { causes }
    }

    static class Environment {
        Jenkinsfile file
        void setProperty(String name, Object value) { file.own[name] = file.variables[name] = value.toString() }
        Object getProperty(String name) { name == 'file' ? this.@file : this.@file.variables[name] }
    }

    // Sections

    void pipeline(Closure body) {
        body()
        String description = binding.getVariable('currentBuild').description
        if (description) { own.DESCRIPTION = description }
    }
    void agent(String what) { assert what == 'none'; agent = false }
    void agent(Closure body) { within('agent', body); agent = true }
    void label(String expression) { assert section == 'agent'; note('agent', expression) }
    void options(Closure body) { within('options', body) }
    void parameters(Closure body) {
        within('parameters', body)
        def unknown = given.keySet() - parameters.keySet()
        if (unknown) { throw new Failed("${id} has no parameter ${unknown.join(', ')}") }
        // Jenkins gives the shell those that the job's configuration has, which its first run writes.
        if (number > 1) { parameters.each { name, value -> variables[name] = value.toString() } }
        parameters.asImmutable()
    }
    void stages(Closure body) { within('stages', body) }

    void stage(String name, Closure body) {
        if (section == 'steps') {
            // In a script block a stage is only a title.
            note('stage', name)
            body()
            return
        }
        assert section == 'stages' : "stage '${name}' within ${section}"
        conditions = []
        work = always = null
        Map before = new HashMap(variables)
        boolean outer = agent
        within('stage', body)
        def (List mine, Closure todo, Closure after) = [conditions, work, always]
        if (!todo) { throw new Failed("stage '${name}' has no steps") }
        try {
            if (!mine.every { it() }) {
                note('skipped', name)
                return
            }
            note('stage', name)
            try { within('steps', todo) } finally { if (after) { within('steps', after) } }
        } finally {
            agent = outer
            // Variables of `environment` end with the stage; those that scripts set through `env` stay.
            variables.keySet().retainAll(before.keySet() + own.keySet())
        }
    }
    void post(Closure body) { within('post', body) }
    void always(Closure body) { assert section == 'post'; always = body }
    void when(Closure body) { within('when', body) }
    void expression(Closure body) { assert section == 'when'; conditions << { body() as boolean } }
    void environment(Map wanted) { assert section == 'when'; conditions << { variables[wanted.name] == wanted.value } }
    void environment(Closure body) {
        body.delegate = new Environment(file: this)
        def kept = new HashMap(own)
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
        own.clear()
        own.putAll(kept)
    }
    void steps(Closure body) { assert section == "stage"; work = body }
    def script(Closure body) { body() }

    def within(String name, Closure body) {
        String outer = section
        section = name
        try { body() } finally { section = outer }
    }

    // Parameters: declared ones, those passed to another job, and credentials

    Map string(Map of) { parameter('string', of, String) }
    Map text(Map of) { parameter('text', of, String) }
    Map booleanParam(Map of) { parameter('boolean', of, Boolean) }
    Map choice(Map of) { parameter('choice', of, String) }
    Map file(Map of) { of + [kind: 'file'] }
    Map sshUserPrivateKey(Map of) { of + [kind: 'key'] }

    Map parameter(String kind, Map of, Class type) {
        if (section != 'parameters') {
            if (!of.credentialsId && !type.isInstance(of.value) && !(of.value instanceof GString)) {
                throw new Failed("${id}: ${kind}(${of}) cannot have the value ${of.value}")
            }
            return of + [kind: kind]
        }
        Set allowed = ['name', 'description'] + (kind == 'choice' ? 'choices' : 'defaultValue')
        assert of.keySet() == allowed : "${kind}(${of})"
        def value = given.containsKey(of.name) ? given[of.name] : kind == 'choice' ? of.choices[0] : of.defaultValue
        if (kind == 'boolean') { value = value.toString().toBoolean() }
        if (kind == 'choice' && !(value in of.choices)) { throw new Failed("${id}: ${of.name}=${value} is not one of ${of.choices}") }
        parameters[of.name] = value
        of
    }

    // Steps

    def sh(String script) { sh(script: script) }
    def sh(Map of) {
        assert of.keySet().every { it in ['script', 'label', 'returnStdout', 'returnStatus'] } : of
        step('sh', of.script)
        if (!agent) { throw new Failed("${id}: sh needs an agent: ${of.script}") }
        File script = File.createTempFile('step', '.sh', workspace.parentFile)
        script.text = of.script
        def builder = new ProcessBuilder('sh', '-e', script.path).directory(workspace)
        builder.environment().putAll(variables)
        builder.redirectError(new File(jenkins.folder, 'log').with { ProcessBuilder.Redirect.appendTo(it) })
        def process = builder.start()
        File abort = new File(jenkins.folder, 'abort')
        Thread.startDaemon {
            while (process.alive) {
                if (abort.exists()) {
                    process.descendants().forEach { it.destroy() }
                    process.destroy()
                }
                sleep(50)
            }
        }
        String output = process.inputStream.text
        int code = process.waitFor()
        if (abort.exists()) { throw new Failed("aborted: ${of.script}") }
        new File(jenkins.folder, 'log').append("${id}: ${of.script}\n${output}")
        if (of.returnStatus) { return code }
        if (code != 0) { throw new Failed("exit ${code}: ${of.script}") }
        of.returnStdout ? output : null
    }

    def build(Map of) {
        assert of.wait == true && of.keySet() == ['job', 'wait', 'parameters'] as Set : of
        step('build', of.job)
        Map done = jenkins.run(of.job, of.parameters.collectEntries { [it.name, it.value.toString()] }, [Jenkins.upstream(id)])
        if (done.result != 'SUCCESS') { throw new Failed("${id}: ${of.job} ended in ${done.result}") }
        done
    }

    def lock(Map of, Closure body) {
        assert of.keySet().every { it in ['resource', 'extra'] } : of
        // Always in the same order, so that two runs cannot wait for each other.
        List names = ([of.resource] + (of.extra ?: [])*.resource)*.toString().toUnique().sort()
        Closure all = names.reverse().inject({
            names.each { note('lock', it) }
            locks += names.size()
            try { body() } finally {
                locks -= names.size()
                names.each { note('unlock', it) }
            }
        }) { Closure rest, String name -> { -> jenkins.locked(name, rest) } }
        all()
    }

    def withCredentials(List wanted, Closure body) {
        Map before = new HashMap(variables)
        wanted.each { Map of ->
            note('credentials', of.credentialsId)
            // A test may have put the real secret there.
            File real = new File(jenkins.folder, "credentials/${of.credentialsId}")
            if (of.kind == 'string') {
                variables[of.variable] = real.exists() ? real.text : 'a-secret'
            } else {
                File secret = File.createTempFile('secret', '', workspace.parentFile)
                // The stand-ins check that a job uses the credential that it should.
                secret.text = real.exists() ? real.text : JsonOutput.toJson([credential: of.credentialsId.toString()])
                variables[(of.kind == 'key' ? of.keyFileVariable : of.variable)] = secret.path
            }
        }
        try { body() } finally {
            variables.clear()
            variables.putAll(before + own)
        }
    }

    def withEnv(List wanted, Closure body) {
        Map before = new HashMap(variables)
        wanted.each {
            def (String name, String value) = it.split('=', 2) as List
            // Jenkins removes a variable whose value is empty.
            if (value) { variables[name] = value } else { variables.remove(name) }
        }
        try { body() } finally {
            variables.clear()
            variables.putAll(before + own)
        }
    }

    def archiveArtifacts(Map of) {
        assert of.keySet().every { it in ['artifacts', 'fingerprint', 'allowEmptyArchive'] } : of
        step('archiveArtifacts', of.artifacts)
        of.artifacts.split(', ').each { String name ->
            File file = new File(workspace, name)
            if (!file.isFile()) {
                if (of.allowEmptyArchive) { return }
                throw new Failed("${id}: there is no ${name} to archive")
            }
            File archive = new File(jenkins.folder, "archive/${id}/${name}")
            archive.parentFile.mkdirs()
            archive.text = file.text
        }
    }

    def input(Map of) {
        assert of.keySet().every { it in ['message', 'ok', 'submitter'] } : of
        step('input', of.submitter ? "${of.submitter}: ${of.message}" : of.message)
        // Jenkins would keep the agent, or the lock, until a person answers.
        if (agent || locks) { throw new Failed("${id}: input holds ${agent ? 'an agent' : 'a lock'}: ${of.message}") }
        if (System.getenv('ANSWER') == 'abort') { throw new Failed("${id}: aborted") }
    }

    def error(String message) { throw new Failed("${id}: ${message}") }

    // Options: Jenkins applies them, this runner only records them.
    def disableConcurrentBuilds() { note('option', 'disableConcurrentBuilds') }
    def timeout(Map of) { assert of.keySet() == ['time', 'unit'] as Set; note('option', 'timeout') }
    def logRotator(Map of) { of }
    def buildDiscarder(Map of) { note('option', 'buildDiscarder') }

    void step(String kind, Object what) {
        assert section == 'steps' : "${kind} within ${section}"
        note(kind, what)
    }
    void note(String kind, Object what) { jenkins.record(run: id, kind: kind, what: what.toString()) }
}

def (String remote, String folder, String job) = args[0..2]
Map given = args.drop(3).collectEntries { it.split('=', 2) as List }
// A rebuilt run keeps the causes of the first one.
List causes = System.getenv('REBUILDS_A_RUN_OF') ? [Jenkins.upstream(System.getenv('REBUILDS_A_RUN_OF')), Jenkins.user()] : [Jenkins.user()]
def done = new Jenkins(remote: remote, folder: new File(folder)).run(job, given, causes)
System.exit(done.result == 'SUCCESS' ? 0 : 1)
