// The main job through the client that openapi-generator makes of the OpenAPI document: what does not fit it does not compile.

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.module.SimpleModule;
import denoise.ApiClient;
import denoise.JSON;
import denoise.api.DatasetsApi;
import denoise.api.JobsApi;
import denoise.api.ResultsApi;
import denoise.model.BackboneKind;
import denoise.model.DatasetStatus;
import denoise.model.EventView;
import denoise.model.JobSpec;
import denoise.model.JobState;
import denoise.model.MethodName;
import denoise.model.MethodSpec;
import denoise.model.OptionValue;
import java.io.File;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Predicate;

/** A table in, a job, its rows out. */
public class MainJob {
    /** Runs it with the table that is named. */
    public static void main(String[] arguments) throws Exception {
        var client = new ApiClient();
        // Of the two mappers that are made, the one that tells alternatives apart by the members that they do not have. A body
        // goes through it as well, where a file would become its name.
        var mapper = JSON.getDefault().getMapper();
        client.setObjectMapper(mapper.registerModule(new SimpleModule().addSerializer(File.class, new Content())));
        client.updateBaseUri(System.getenv("AUTODENOISE_SERVER"));
        var key = "Bearer " + System.getenv("AUTODENOISE_API_KEY");
        // Events come as a page, and not as a stream, where that is what a client would rather have.
        client.setRequestInterceptor(request ->
                request.setHeader("Authorization", key).setHeader("Accept", "application/json, */*;q=0.1"));
        var datasets = new DatasetsApi(client);
        var jobs = new JobsApi(client);
        var results = new ResultsApi(client);

        var posted = DatasetsApi.APIUploadTableRequest.newBuilder()
                .body(new File(arguments[0])).label("click").splitColumn("split").exclude("timestamp").name("java").build();
        var table = datasets.uploadTable(posted);
        var dataset = waitUntil(() -> datasets.findDataset(table.getId()), it -> it.getStatus() != DatasetStatus.PROCESSING);
        check(dataset.getStatus() == DatasetStatus.READY, dataset);

        var options = Map.of(
                "retrain_max_epoch", new OptionValue(BigDecimal.ONE),
                "select_ratio", new OptionValue(new BigDecimal("0.9")));
        var method = new MethodSpec().name(MethodName.RANDOM_DROP).backbone(BackboneKind.FM).options(options);
        var spec = new JobSpec().datasetId(dataset.getId()).method(method).seed(7L);
        check(jobs.planJob(spec).getMemoryBytes() > 0, "no plan");
        var submitted = jobs.createJob(spec, "java");
        check(jobs.createJob(spec, "java").getId().equals(submitted.getId()), "the same key made another job");
        var job = waitUntil(() -> jobs.findJob(submitted.getId(), "wait=10", null), it -> it.getIsTerminal());
        check(job.getStatus() == JobState.SUCCEEDED, job);
        check(jobs.listJobs(null, dataset.getId(), null, null, null).getData().get(0).getId().equals(job.getId()), "no list");
        var events = jobs.listEvents(job.getId(), null, null, null).getData();
        EventView last = events.get(events.size() - 1);
        check(last.getSeq() == events.size() && last.getData() != null, last);

        check(results.listArtifacts(job.getId()).getData().stream().anyMatch(it -> it.getName().equals("denoised")), "no rows");
        var denoised = Files.readString(results.getArtifact(job.getId(), "denoised", null).toPath());
        check(denoised.startsWith("user"), denoised.substring(0, 100));
        System.out.println("openapi-generator, Java: " + denoised.length() + " bytes of kept rows");
    }

    /** Writes what is in a file of text. */
    private static class Content extends JsonSerializer<File> {
        @Override
        public void serialize(File file, JsonGenerator body, SerializerProvider provider) throws IOException {
            body.writeRaw(Files.readString(file.toPath()));
        }
    }

    private static <T> T waitUntil(Callable<T> look, Predicate<T> isOver) throws Exception {
        for (int tries = 0; tries < 1200; tries++) {
            T thing = look.call();
            if (isOver.test(thing)) {
                return thing;
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("it took too long");
    }

    private static void check(boolean holds, Object thing) {
        if (!holds) {
            throw new IllegalStateException(thing.toString());
        }
    }
}
