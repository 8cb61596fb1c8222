package javax.annotation;

/** What generated code is marked with. The rest of that library is not needed to compile it. */
public @interface Generated {
    String[] value();

    String date() default "";

    String comments() default "";
}
